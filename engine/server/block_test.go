package server

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
)

// blockServer is a server whose prefix cache keeps whole blocks: a word is a token, and four more frame a prompt.
type blockServer struct {
	block   int
	context int  // 0: it takes any prompt
	zero    bool // a reply says 0, and not nothing, where nothing was cached
	off     bool // nothing is ever found in its cache
	drift   int  // every such request finds another block size
	seen    [][]string
	longest int
	sent    int
}

func (b *blockServer) send(_ context.Context, prompt string) (Reply, error) {
	b.sent++
	words := append([]string{"<start>", "<user>"}, strings.Fields(prompt)...)
	words = append(words, "<end>", "<assistant>")
	if b.context > 0 && len(words) > b.context {
		return Reply{}, errors.New("the prompt does not fit")
	}
	b.longest = max(b.longest, len(words))
	common := 0
	for _, s := range b.seen {
		n := 0
		for n < min(len(s), len(words)) && s[n] == words[n] {
			n++
		}
		common = max(common, n)
	}
	b.seen = append(b.seen, words)
	size := b.block
	if b.drift > 0 && b.sent%b.drift == 0 {
		size /= 2
	}
	hit := min(common, len(words)-1) / size * size
	if b.off {
		hit = 0
	}
	r := Reply{Prompt: new(len(words)), Source: "usage"}
	if hit > 0 || b.zero {
		r.Cached = &hit
	}
	return r, nil
}

// A prompt shorter than a block finds nothing in a cache that works.
func TestSelfTest_BlocksLongerThanItsPrompt(t *testing.T) {
	for _, c := range []struct {
		name    string
		server  blockServer
		known   Known
		proven  bool
		block   int // learnt; 0: none
		longest int // tokens of the longest prompt at most
	}{
		{name: "single tokens", server: blockServer{block: 1}, proven: true, block: 1, longest: 1151},
		{name: "16", server: blockServer{block: 16}, proven: true, block: 16, longest: 1151},
		{name: "32, of which a profile says 16", server: blockServer{block: 32}, known: Known{Block: 16}, proven: true,
			block: 32, longest: 1151},
		{name: "48", server: blockServer{block: 48}, proven: true, block: 48, longest: 1151},
		{name: "128", server: blockServer{block: 128}, proven: true, block: 128, longest: 1151},
		{name: "128, and replies that say 0", server: blockServer{block: 128, zero: true}, proven: true, block: 128,
			longest: 1151},
		{name: "528", server: blockServer{block: 528}, proven: true, block: 528, longest: 1300},
		{name: "128 in a short context", server: blockServer{block: 128, context: 512}, known: Known{Context: 512},
			proven: true, block: 128, longest: 512},
		{name: "128 in a context that is not known", server: blockServer{block: 128, context: 512}, proven: true,
			block: 128, longest: 512},
		{name: "hardly any context", server: blockServer{block: 128, context: 100}, known: Known{Context: 100},
			longest: 100},
		{name: "told", server: blockServer{block: 128}, known: Known{Block: 128, Told: true}, proven: true, longest: 600},
		{name: "no size fits", server: blockServer{block: 128, drift: 7}, proven: true, longest: 1151},
		{name: "switched off and silent", server: blockServer{block: 16, off: true}, longest: 2200},
		{name: "switched off", server: blockServer{block: 16, off: true, zero: true}, proven: true, longest: 2200},
	} {
		t.Run(c.name, func(t *testing.T) {
			hs := httptest.NewServer(&cacheServer{})
			defer hs.Close()
			side := sideOf(t, "vllm", hs.URL)
			report, err := side.SelfTest(t.Context(), c.known, c.server.send)
			if err != nil {
				t.Fatal(err)
			}
			if report.Proven() != c.proven || report.Block != c.block {
				t.Errorf("proven %v, blocks of %d: %s; want %v, %d", report.Proven(), report.Block, report.How(), c.proven, c.block)
			}
			if c.server.longest > c.longest {
				t.Errorf("a prompt of %d tokens", c.server.longest)
			}
			if c.server.off && c.server.longest < 2048 {
				t.Errorf("it gave up at %d tokens", c.server.longest)
			}
			if !c.proven || c.server.off {
				return
			}
			if err := side.VerifySalt(t.Context(), report, c.server.send, 0); !errors.Is(err, ErrNotReset) {
				t.Errorf("the prompt of the report is not in the cache: %v", err)
			}
		})
	}
}
