package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime"
	"time"

	"homellm/engine/client/transport"
	"homellm/engine/event"
	"homellm/engine/large"
	"homellm/engine/wire"
)

// call is one request on its way.
type call struct {
	client *Client
	x      *event.Exchange
	record *record
	shift  time.Duration // from the client's stamps to the run's

	// State that every read uses.
	stamps *transport.Stamps // the connection's time stamps
	frames framer
	phase  phase
	reading
	json bool   // the content type says JSON
	head []byte // the first bytes of the body, for error messages
	dog  watchdog

	sending transport.Sending
	raw     Raw
	rawBody large.Pile
}

// reading describes the last read that delivered bytes.
type reading struct {
	readSeen int64         // its number
	inRead   int           // deltas that came with it
	first    int           // the index of the first of their chunks
	lastByte time.Duration // when its bytes arrived
}

// phase is how far a reply has come.
type phase int

const (
	waiting phase = iota // for the first token
	flowing              // tokens arrive
	over                 // nothing more counts
)

// drain is how long the client waits for the end of a body after the last event. The connection cannot be reused
// before the body has ended.
const drain = 200 * time.Millisecond

// bufferSize is the most that one read takes from a body, in bytes. It is larger than the transport's own buffer, so
// that large chunks bypass that buffer. It is not a power of two, because buffers that are a power of two apart evict
// each other from the processor's cache.
const bufferSize = 4864

func newCall(c *Client, x *event.Exchange, epoch time.Time, p Prompt) *call {
	k := &call{
		client: c,
		x:      x,
		record: newRecord(x, c.dialect.decode, p.MaxTokens, c.cfg.MaxBytes),
		shift:  c.start.Sub(epoch),
	}
	k.record.tags = c.cfg.ReasoningTags != "none"
	k.dog.start = c.start
	k.sending.Connected = func() { k.dog.set(c.cfg.FirstToken, errFirstToken) }
	return k
}

// run sends the request, reads the reply and fills the exchange.
func (k *call) run(ctx context.Context, req *http.Request) {
	k.hashBody(req)
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	k.dog.cancel = cancel
	defer k.dog.stop()

	resp, err := k.client.transport.Send(req.WithContext(inner), &k.sending)
	if err != nil {
		k.x.Err = k.unanswered(ctx, inner, err)
	} else {
		k.stamps = k.sending.Stamps()
		k.x.Err = k.answer(ctx, inner, resp)
		resp.Body.Close()
	}
	k.close()
}

// now is the present on the run's clock.
func (k *call) now() time.Duration { return time.Since(k.client.start) + k.shift }

// at converts a connection's stamp to the run's clock; nil if there is no stamp.
func (k *call) at(stamp int64) *time.Duration {
	if stamp == transport.Unset {
		return nil
	}
	d := time.Duration(stamp) + k.shift
	return &d
}

func (k *call) hashBody(req *http.Request) {
	body, err := req.GetBody()
	if err != nil {
		return
	}
	h := sha256.New()
	if _, err := io.Copy(h, body); err == nil {
		k.x.Wire.RequestSHA256 = hex.EncodeToString(h.Sum(nil))
	}
}

// answer reads a response and classifies it.
func (k *call) answer(ctx, inner context.Context, resp *http.Response) *event.Error {
	w := &k.x.Wire
	k.x.Status = resp.StatusCode
	k.raw.Header = resp.Header
	w.Protocol, w.ContentType = resp.Proto, beginning([]byte(resp.Header.Get("Content-Type")), maxWord)
	switch {
	case resp.StatusCode >= 400:
		return refused(resp, k.start(resp.Body), time.Now())
	case resp.StatusCode >= 300:
		return &event.Error{Class: "redirect", Message: fmt.Sprintf("HTTP %d: the server redirects to %q, which is not "+
			"followed so that the key is not sent there: use that address as the base URL",
			resp.StatusCode, wire.OneLine(resp.Header.Get("Location")))}
	case resp.Header.Get("Content-Encoding") != "" && resp.Header.Get("Content-Encoding") != "identity":
		return &event.Error{Class: "protocol", Message: fmt.Sprintf("the reply is compressed (%s) although nothing asked "+
			"for that, which hides when its tokens arrived: turn compression off in the server or the proxy before it",
			wire.OneLine(resp.Header.Get("Content-Encoding")))}
	}
	k.choose(resp.Header.Get("Content-Type"))
	err := k.read(resp.Body)
	return k.failure(ctx, inner, err)
}

// start reads the first bytes of an error body.
func (k *call) start(body io.Reader) []byte {
	start, _ := io.ReadAll(io.LimitReader(body, 64<<10))
	k.x.Wire.Bytes = int64(len(start))
	k.keepRaw(start, k.now())
	return start
}

// choose picks the framing by content type, if the content type is conclusive.
func (k *call) choose(contentType string) {
	media, _, _ := mime.ParseMediaType(contentType)
	if name := framingOf[media]; name == "json" {
		k.json = true // or a stream with the wrong label: its first byte decides
	} else {
		k.frame(name)
	}
}

func (k *call) frame(name string) {
	if name == "" {
		return
	}
	k.x.Wire.Framing = name
	k.frames = framings[name]()
	k.record.whole = name == "json"
}

// read reads the body until it ends, breaks, or can hold nothing more of interest. The error is nil at a clean end.
func (k *call) read(body io.Reader) error {
	buf := k.client.buffers.Get().(*[bufferSize]byte)
	defer k.client.buffers.Put(buf)
	for {
		n, err := body.Read(buf[:])
		if n > 0 {
			k.take(buf[:n])
		}
		switch {
		case k.record.fatal:
			return nil
		case errors.Is(err, io.EOF):
			k.finish()
			return nil
		case err != nil:
			return err
		}
	}
}

// take handles the bytes of one read.
func (k *call) take(p []byte) {
	at := time.Duration(k.stamps.LastRead()) + k.shift
	if n := k.stamps.Reads(); n != k.readSeen {
		k.readSeen, k.inRead, k.first = n, 0, len(k.x.Chunks)
		k.x.Wire.Reads++
	}
	k.x.Wire.Bytes += int64(len(p))
	k.keepHead(p)
	p, lasting := k.keepRaw(p, at)
	if k.frames == nil {
		if k.frame(sniff(p, k.client.dialect, k.json)); k.frames == nil {
			return
		}
	}
	before, spoken := k.x.Wire.Events, k.record.spoken
	k.frames.feed(p, lasting)
	for f, ok := k.frames.next(); ok; f, ok = k.frames.next() {
		k.record.take(at, f)
	}
	k.inRead += k.record.spoken - spoken
	k.x.Wire.CoalescedMax = max(k.x.Wire.CoalescedMax, k.inRead)
	k.record.bound(k.frames.pending())
	k.bracket()
	k.lastByte = at
	if k.x.Wire.Events > before {
		k.progress(at)
	}
}

// bracket records the instant after which the first of several deltas arrived that share one stamp.
func (k *call) bracket() {
	if k.inRead < 2 || k.first >= len(k.x.Chunks) {
		return
	}
	if before := k.at(k.stamps.Before()); before != nil && *before > k.x.Due {
		k.x.Chunks[k.first].After = before
	}
}

// progress extends the time-outs: each event restarts the idle time-out, and after the last event only the end of the
// body is awaited.
func (k *call) progress(at time.Duration) {
	switch {
	case k.phase == over:
	case k.x.Wire.DoneMarker || k.record.err != nil:
		k.phase = over
		k.x.Done = at
		k.dog.set(drain, errDrained)
	case k.phase == flowing:
		k.dog.extend(at - k.shift)
	case len(k.x.Chunks) > 0:
		k.phase = flowing
		k.sending.TokenRead()
		k.dog.set(k.client.cfg.Idle, errIdle)
	}
}

// finish handles what is left of a body without a final line end. A piece that cannot be decoded is an event that was
// cut off, unless it is the whole body.
func (k *call) finish() {
	if k.frames == nil {
		return
	}
	k.record.ending = true
	for f, ok := k.frames.end(); ok; f, ok = k.frames.end() {
		k.record.take(k.lastByte, f)
	}
	if k.record.whole {
		k.x.Done = k.lastByte
	}
}

func (k *call) keepHead(p []byte) {
	if room := keptBody - len(k.head); room > 0 {
		k.head = append(k.head, p[:min(room, len(p))]...)
	}
}

// keepRaw keeps bytes as they came, if they are wanted, and returns the copy, or else the bytes themselves.
func (k *call) keepRaw(p []byte, at time.Duration) (_ []byte, lasting bool) {
	const readCost = 40 // bytes of memory that a read takes besides the data it delivers
	if k.client.cfg.Raw == nil || k.rawBody.Size+len(p)+readCost*len(k.raw.Reads) > k.client.cfg.MaxBytes {
		return p, false
	}
	k.raw.Reads = append(k.raw.Reads, Read{at, len(p)})
	return k.rawBody.Add(p), true
}

// close fills in what is known only at the end.
func (k *call) close() {
	x := k.x
	if x.Done == 0 {
		x.Done = k.now()
	}
	a, connected := k.sending.Account()
	x.Sent, x.Headers, x.Connect = k.at(a.Sent), k.at(a.Headers), a.Connect
	x.Wire.StampedBy, x.Wire.Warmed, x.Wire.Resent = a.By, a.Warmed, a.Resent
	x.Wire.Reused = connected && a.Connect == nil
	x.Wire.Comments = k.commentsSeen()
	k.record.close()
	if x.Wire.Bytes > largeReply {
		runtime.GC() // frees the receive buffers before the reply is processed further; nothing is being timed now
	}
	k.sending.Release(k.x.Err == nil)
	k.raw.Body = k.rawBody.Blocks
	k.client.withoutKey(x, &k.raw)
	if k.client.cfg.Raw != nil {
		k.client.cfg.Raw(x, k.raw)
	}
}

func (k *call) commentsSeen() int {
	if k.frames == nil {
		return 0
	}
	return k.frames.comments()
}
