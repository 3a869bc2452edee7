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
	"time"

	"homellm/engine/client/transport"
	"homellm/engine/event"
)

// call is one request on its way.
type call struct {
	client *Client
	x      *event.Exchange
	record *record
	shift  time.Duration // from the client's stamps to the run's

	// What every read needs.
	stamps *transport.Stamps // what the connection noted
	frames framer
	phase  phase
	reading
	json bool   // the body is labelled JSON
	head []byte // the first bytes of the body, for messages
	dog  watchdog

	sending transport.Sending
	raw     Raw
}

// reading is what is known of the last read that delivered bytes.
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

// drain is how long the end of a body may take after the last event. Until the body has ended its
// connection cannot be used again, so it is worth a moment, but no more.
const drain = 200 * time.Millisecond

// bufferSize is the most that one read takes from a body, in bytes: more than the transport's own
// buffer holds, so that large chunks come past it, and no power of two, for buffers that lie a power of
// two apart push each other out of the processor's cache.
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

// at puts a stamp of a connection on the run's clock; nil if it was not seen.
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

// answer reads a response and judges it.
func (k *call) answer(ctx, inner context.Context, resp *http.Response) *event.Error {
	w := &k.x.Wire
	k.x.Status = resp.StatusCode
	k.raw.Header = resp.Header
	w.Protocol, w.ContentType = resp.Proto, beginning([]byte(resp.Header.Get("Content-Type")), wordKept)
	switch {
	case resp.StatusCode >= 400:
		return refused(resp, k.start(resp.Body), time.Now())
	case resp.StatusCode >= 300:
		return &event.Error{Class: "redirect", Message: fmt.Sprintf("HTTP %d: the server redirects to %q, which is not "+
			"followed so that the key is not sent there: use that address as the base URL",
			resp.StatusCode, oneLine(resp.Header.Get("Location")))}
	case resp.Header.Get("Content-Encoding") != "" && resp.Header.Get("Content-Encoding") != "identity":
		return &event.Error{Class: "protocol", Message: fmt.Sprintf("the reply is compressed (%s) although nothing asked "+
			"for that, which hides when its tokens arrived: turn compression off in the server or the proxy before it",
			oneLine(resp.Header.Get("Content-Encoding")))}
	}
	k.choose(resp.Header.Get("Content-Type"))
	err := k.read(resp.Body)
	return k.failure(ctx, inner, err)
}

// start reads the beginning of an error's body.
func (k *call) start(body io.Reader) []byte {
	start, _ := io.ReadAll(io.LimitReader(body, 64<<10))
	k.x.Wire.Bytes = int64(len(start))
	k.keepRaw(start, k.now())
	return start
}

// choose picks the framing by content type, if that settles it.
func (k *call) choose(contentType string) {
	media, _, _ := mime.ParseMediaType(contentType)
	if name := framingOf[media]; name == "json" {
		k.json = true // or a stream under that name: its first byte tells
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

// read reads the body until it ends, breaks, or holds nothing more that counts. The error is nil
// at a clean end.
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

// take handles what one read delivered.
func (k *call) take(p []byte) {
	at := time.Duration(k.stamps.LastRead()) + k.shift
	if n := k.stamps.Reads(); n != k.readSeen {
		k.readSeen, k.inRead, k.first = n, 0, len(k.x.Chunks)
		k.x.Wire.Reads++
	}
	k.x.Wire.Bytes += int64(len(p))
	k.keepHead(p)
	k.keepRaw(p, at)
	if k.frames == nil {
		if k.frame(sniff(p, k.client.dialect, k.json)); k.frames == nil {
			return
		}
	}
	before, spoken := k.x.Wire.Events, k.record.spoken
	k.frames.feed(p)
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

// bracket notes after which instant the first of several deltas came that share the stamp of the last.
func (k *call) bracket() {
	if k.inRead < 2 || k.first >= len(k.x.Chunks) {
		return
	}
	if before := k.at(k.stamps.Before()); before != nil && *before > k.x.Due {
		k.x.Chunks[k.first].After = before
	}
}

// progress moves the time-outs along: once tokens flow each event buys the next one time, and
// after the last event only the end of the body is waited for.
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
		k.sending.Begun()
		k.dog.set(k.client.cfg.Idle, errIdle)
	}
}

// finish takes what a body without its last line end still holds. A piece that cannot be decoded
// is the start of an event that was cut off, unless it is all there is.
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

func (k *call) keepRaw(p []byte, at time.Duration) {
	const readCost = 24 // bytes that a read takes in memory beside what it brought
	if k.client.cfg.Raw != nil && len(k.raw.Body)+len(p)+readCost*len(k.raw.Reads) <= k.client.cfg.MaxBytes {
		k.raw.Body = append(k.raw.Body, p...)
		k.raw.Reads = append(k.raw.Reads, Read{at, len(p)})
	}
}

// close puts together what is known only at the end.
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
	k.sending.Leave(k.x.Err == nil)
	k.client.withoutKey(x, k.raw)
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
