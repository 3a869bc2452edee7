package otlp

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// together is the number of spans in one request.
const together = 512

// sendSpans makes a trace of each pass over a conversation: a span of the pass, and below it one of each turn. A trace
// of a whole run would be larger than what collectors accept. A request that is accepted only in part does not end the
// sending.
func sendSpans(ctx context.Context, about message, run *metrics.Run, post func(context.Context, message) error) error {
	var made []message
	var partial *partialError
	send := func(least int) error {
		for len(made) > least {
			some := made[:min(together, len(made))]
			err := post(ctx, request(about, some...))
			var p *partialError
			switch {
			case errors.As(err, &p) && partial != nil:
				partial.rejected += p.rejected
			case p != nil:
				partial = p
			case err != nil:
				return err
			}
			made = made[len(some):]
		}
		return nil
	}
	for _, c := range run.Cells {
		for _, turns := range passes(c) {
			made = append(made, pass(run, c, turns)...)
			if err := send(together - 1); err != nil {
				return err
			}
		}
	}
	if err := send(0); err != nil || partial == nil {
		return err
	}
	return partial
}

// passes are the turns of a cell, grouped by pass over a conversation, in the order in which they ended.
func passes(c *metrics.Cell) (out [][]*event.Request) {
	type key struct {
		warmup       bool
		repeat, user int
		conversation string
		item         int
	}
	at := map[key]int{}
	for _, q := range c.Requests {
		k := key{q.Warmup, q.Repeat, q.User, q.Conversation, q.Item}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k], out = i, append(out, nil)
		}
		out[i] = append(out[i], q)
	}
	return out
}

// pass makes the spans of a pass over a conversation: one for the pass, and one for each turn.
func pass(run *metrics.Run, c *metrics.Cell, turns []*event.Request) []message {
	started := run.Started.Started
	first := slices.MinFunc(turns, func(a, b *event.Request) int { return int(begun(a) - begun(b)) })
	last := slices.MaxFunc(turns, func(a, b *event.Request) int { return int(a.Done - b.Done) })
	id := run.Started.ID + "/" + c.ID + "/" + first.Conversation + "/" + strconv.Itoa(first.Repeat)
	of := append(where(c), intAttribute("homellm.repeat", first.Repeat), boolAttribute("homellm.warmup", first.Warmup))
	if first.User > 0 {
		id += "/" + strconv.Itoa(first.User)
		of = append(of, intAttribute("homellm.user", first.User))
	}
	if first.Item > 0 {
		id += "/item/" + strconv.Itoa(first.Item)
		of = append(of, intAttribute("homellm.item", first.Item))
	}
	of = append(of, textAttribute(conversationID, id))
	whole := span{id: newID(8), trace: newID(16), name: "conversation " + first.Conversation, kind: kindInternal,
		start: started.Add(begun(first)), end: started.Add(last.Done), attributes: of}
	model := ""
	if c.Started != nil {
		model = c.Started.Server.Model
	}
	out := []message{whole.message()}
	for _, q := range turns {
		turn := span{id: newID(8), trace: whole.trace, parent: whole.id, name: "chat " + model, kind: kindClient,
			start: started.Add(begun(q)), end: started.Add(q.Done), attributes: append(slices.Clone(of), said(c, q)...)}
		if q.Err != nil {
			turn.failed = q.Err.Class
			turn.attributes = append(turn.attributes, textAttribute(errorType, q.Err.Class))
		}
		out = append(out, turn.message())
	}
	return out
}

// span is a span of a trace, with the fields that homellm uses.
type span struct {
	trace, id, parent []byte
	name              string
	kind              uint64
	start, end        time.Time
	attributes        []attribute
	failed            string // error class; empty: it succeeded
}

const (
	kindInternal = 1 // Span.SpanKind
	kindClient   = 3
	statusError  = 2        // Status.StatusCode
	flagsLocal   = 1<<8 | 1 // SpanFlags: sampled, and the parent is known to be local
)

func (s *span) message() (out message) {
	out.bytes(spanTrace, s.trace)
	out.bytes(spanID, s.id)
	if s.parent != nil {
		out.bytes(spanParent, s.parent)
	}
	out.text(spanName, s.name)
	out.whole(spanKind, s.kind)
	out.fixed64(spanStart, uint64(s.start.UnixNano()))
	out.fixed64(spanEnd, uint64(s.end.UnixNano()))
	out.attributes(spanAttributes, s.attributes)
	if s.failed != "" {
		var status message
		status.text(statusMessage, s.failed)
		status.whole(statusCode, statusError)
		out.bytes(spanStatus, status)
	}
	return protowire.AppendFixed32(protowire.AppendTag(out, spanFlags, protowire.Fixed32Type), flagsLocal)
}

// newID makes a random id for a span or a trace.
func newID(bytes int) []byte {
	id := make([]byte, bytes)
	_, _ = rand.Read(id) // never fails
	return id
}

// begun is when a request was sent, or was due if it was never sent.
func begun(q *event.Request) time.Duration {
	if q.Sent != nil {
		return *q.Sent
	}
	return q.Due
}

// where describes the server of a cell.
func where(c *metrics.Cell) []attribute {
	out := []attribute{textAttribute("homellm.cell", c.ID), boolAttribute("homellm.simulated", c.Simulated())}
	if c.Started == nil {
		return out
	}
	s := c.Started.Server
	out = append(out, textAttribute(operation, operationChat), textAttribute(provider, s.Engine),
		textAttribute(requestModel, s.Model))
	if u, err := url.Parse(s.URL); err == nil && u.Hostname() != "" {
		out = append(out, textAttribute(serverAddress, u.Hostname()))
		if port, err := strconv.Atoi(u.Port()); err == nil {
			out = append(out, intAttribute(serverPort, port))
		}
	}
	return out
}

// said are the attributes of a turn. An unknown figure is left out: it is never 0.
func said(c *metrics.Cell, q *event.Request) []attribute {
	out := []attribute{textAttribute("homellm.step", q.Step), textAttribute("homellm.phase", q.Phase),
		intAttribute("homellm.turn", q.Turn), textAttribute("homellm.action", q.Action)}
	for _, n := range []struct {
		name  string
		value *int
	}{
		{usageInput, q.Usage.Prompt},
		{usageOutput, q.Usage.Completion},
		{usageReasoning, q.Usage.Reasoning},
		{usageCacheRead, q.Cached},
	} {
		if n.value != nil {
			out = append(out, intAttribute(n.name, *n.value))
		}
	}
	if q.MaxTokens > 0 {
		out = append(out, intAttribute(requestMax, q.MaxTokens))
	}
	if q.Wire.Model != "" {
		out = append(out, textAttribute(responseModel, q.Wire.Model))
	}
	if q.Finish != "" {
		out = append(out, textsAttribute(responseFinish, q.Finish))
	}
	if q.FirstEvent != nil {
		out = append(out, floatAttribute(responseFirst, (*q.FirstEvent-begun(q)).Seconds()))
	}
	for i := range metrics.Defs {
		d := &metrics.Defs[i]
		if !d.Baseline || !d.At(metrics.TurnLevel) {
			continue
		}
		if f, ok := d.Each(c, q).Number(); ok {
			out = append(out, floatAttribute("homellm."+d.Name, f))
		}
	}
	return out
}
