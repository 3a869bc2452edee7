package client

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"homellm/engine/event"
)

// stream is n events as vLLM sends them.
func stream(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `data: {"id":"chatcmpl-6ca2f0e6a1f94c0f8d3a7b1c","object":"chat.completion.chunk",`+
			`"created":1779866853,"model":"Qwen/Qwen2.5-7B-Instruct","choices":[{"index":0,"delta":{"content":" tok%d"},`+
			`"logprobs":null,"finish_reason":null,"token_ids":null}]}`+"\n\n", i%10)
	}
	return b.Bytes()
}

const benchEvents = 4096

// BenchmarkBare reads lines and finds the data in them, and does nothing else.
func BenchmarkBare(b *testing.B) {
	body := stream(benchEvents)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)) / benchEvents)
	for n := 0; n < b.N; n += benchEvents {
		in := bufio.NewReader(bytes.NewReader(body))
		found := 0
		for {
			line, err := in.ReadSlice('\n')
			if err == io.EOF {
				break
			}
			if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
				found += len(data)
			}
		}
		if found == 0 {
			b.Fatal("nothing found")
		}
	}
}

// BenchmarkRecord frames, decodes and records the same bytes.
func BenchmarkRecord(b *testing.B) {
	body := stream(benchEvents)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)) / benchEvents)
	for n := 0; n < b.N; n += benchEvents {
		var x event.Exchange
		r := newRecord(&x, decodeOpenAI, benchEvents, 1<<30)
		f := framings["sse"]()
		for p := body; len(p) > 0; {
			k := min(len(p), 4096)
			f.feed(p[:k], false)
			for fr, ok := f.next(); ok; fr, ok = f.next() {
				r.take(time.Duration(n), fr)
			}
			p = p[k:]
		}
		r.close()
		if len(x.Chunks) != benchEvents {
			b.Fatalf("%d chunks", len(x.Chunks))
		}
	}
}
