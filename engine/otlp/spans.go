package otlp

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"homellm/engine/event"
	"homellm/engine/metrics"
)

// together is how many spans one request carries.
const together = 512

// spans makes a trace of each pass over a conversation: a span of the pass, and below it one of each turn. A trace of
// a whole run would be larger than what collectors take.
func spans(ctx context.Context, about *resource.Resource, run *metrics.Run,
	send func(context.Context, []sdktrace.ReadOnlySpan) error) error {
	made := &collected{}
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithSpanProcessor(made),
		sdktrace.WithSampler(sdktrace.AlwaysSample())) // whatever OTEL_TRACES_SAMPLER says of programs
	tracer := provider.Tracer("homellm")
	for _, c := range run.Cells {
		for pass := range slices.Values(passes(c)) {
			made.pass(ctx, tracer, run, c, pass)
			if len(made.ended) < together {
				continue
			}
			if err := made.send(ctx, send); err != nil {
				return err
			}
		}
	}
	return made.send(ctx, send)
}

// collected keeps the spans that have ended until they are sent.
type collected struct{ ended []sdktrace.ReadOnlySpan }

// OnStart implements [sdktrace.SpanProcessor].
func (*collected) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements [sdktrace.SpanProcessor].
func (k *collected) OnEnd(s sdktrace.ReadOnlySpan) { k.ended = append(k.ended, s) }

// Shutdown implements [sdktrace.SpanProcessor].
func (*collected) Shutdown(context.Context) error { return nil }

// ForceFlush implements [sdktrace.SpanProcessor].
func (*collected) ForceFlush(context.Context) error { return nil }

func (k *collected) send(ctx context.Context, send func(context.Context, []sdktrace.ReadOnlySpan) error) error {
	for some := range slices.Chunk(k.ended, together) {
		if err := send(ctx, some); err != nil {
			return err
		}
	}
	k.ended = nil
	return nil
}

// passes are the turns of a cell, those of one pass over a conversation together, in the order in which they ended.
func passes(c *metrics.Cell) (out [][]*event.Request) {
	type key struct {
		warmup       bool
		repeat       int
		conversation string
	}
	at := map[key]int{}
	for _, q := range c.Requests {
		k := key{q.Warmup, q.Repeat, q.Conversation}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k], out = i, append(out, nil)
		}
		out[i] = append(out[i], q)
	}
	return out
}

func (k *collected) pass(ctx context.Context, tracer trace.Tracer, run *metrics.Run, c *metrics.Cell,
	turns []*event.Request) {
	started := run.Started.Started
	first := slices.MinFunc(turns, func(a, b *event.Request) int { return int(begun(a) - begun(b)) })
	last := slices.MaxFunc(turns, func(a, b *event.Request) int { return int(a.Done - b.Done) })
	of := append(where(c), attribute.Int("homellm.repeat", first.Repeat), attribute.Bool("homellm.warmup", first.Warmup),
		semconv.GenAIConversationID(run.Started.ID+"/"+c.ID+"/"+first.Conversation+"/"+strconv.Itoa(first.Repeat)))
	ctx, whole := tracer.Start(ctx, "conversation "+first.Conversation, trace.WithNewRoot(),
		trace.WithTimestamp(started.Add(begun(first))), trace.WithAttributes(of...))
	for _, q := range turns {
		model := ""
		if c.Started != nil {
			model = c.Started.Server.Model
		}
		_, turn := tracer.Start(ctx, "chat "+model, trace.WithSpanKind(trace.SpanKindClient),
			trace.WithTimestamp(started.Add(begun(q))), trace.WithAttributes(of...), trace.WithAttributes(said(c, q)...))
		if q.Err != nil {
			turn.SetAttributes(semconv.ErrorTypeKey.String(q.Err.Class))
			turn.SetStatus(codes.Error, q.Err.Class)
		}
		turn.End(trace.WithTimestamp(started.Add(q.Done)))
	}
	whole.End(trace.WithTimestamp(started.Add(last.Done)))
}

// begun is when a request was sent; one that never was counts from when it should have been.
func begun(q *event.Request) time.Duration {
	if q.Sent != nil {
		return *q.Sent
	}
	return q.Due
}

// where describes the server of a cell.
func where(c *metrics.Cell) []attribute.KeyValue {
	out := []attribute.KeyValue{attribute.String("homellm.cell", c.ID), attribute.Bool("homellm.simulated", c.Simulated())}
	if c.Started == nil {
		return out
	}
	s := c.Started.Server
	out = append(out, semconv.GenAIOperationNameChat, semconv.GenAIProviderNameKey.String(s.Engine),
		semconv.GenAIRequestModel(s.Model))
	if u, err := url.Parse(s.URL); err == nil && u.Hostname() != "" {
		out = append(out, semconv.ServerAddress(u.Hostname()))
		if port, err := strconv.Atoi(u.Port()); err == nil {
			out = append(out, semconv.ServerPort(port))
		}
	}
	return out
}

// said is what is known of a turn. A figure that is not known is left out: it is never 0.
func said(c *metrics.Cell, q *event.Request) []attribute.KeyValue {
	out := []attribute.KeyValue{attribute.String("homellm.step", q.Step), attribute.String("homellm.phase", q.Phase),
		attribute.Int("homellm.turn", q.Turn), attribute.String("homellm.action", q.Action)}
	for _, n := range []struct {
		value *int
		as    func(int) attribute.KeyValue
	}{
		{q.Usage.Prompt, semconv.GenAIUsageInputTokens},
		{q.Usage.Completion, semconv.GenAIUsageOutputTokens},
		{q.Usage.Reasoning, semconv.GenAIUsageReasoningOutputTokens},
		{q.Cached, semconv.GenAIUsageCacheReadInputTokens},
	} {
		if n.value != nil {
			out = append(out, n.as(*n.value))
		}
	}
	if q.MaxTokens > 0 {
		out = append(out, semconv.GenAIRequestMaxTokens(q.MaxTokens))
	}
	if q.Wire.Model != "" {
		out = append(out, semconv.GenAIResponseModel(q.Wire.Model))
	}
	if q.Finish != "" {
		out = append(out, semconv.GenAIResponseFinishReasons(q.Finish))
	}
	if q.FirstEvent != nil {
		out = append(out, semconv.GenAIResponseTimeToFirstChunk((*q.FirstEvent - begun(q)).Seconds()))
	}
	for i := range metrics.Defs {
		d := &metrics.Defs[i]
		if !d.Baseline || !d.At(metrics.TurnLevel) {
			continue
		}
		if f, ok := d.Each(c, q).Number(); ok {
			out = append(out, attribute.Float64("homellm."+d.Name, f))
		}
	}
	return out
}
