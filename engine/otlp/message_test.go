package otlp

import (
	"testing"
	"time"

	convention "go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/semconv/v1.41.0/genaiconv"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlpmetrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	otlptrace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

func text(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

func of(key string, v *common.AnyValue) *common.KeyValue { return &common.KeyValue{Key: key, Value: v} }

// same reports what a message says that is not wanted; got is only there to be read into.
func same(t *testing.T, written message, got, want proto.Message) {
	t.Helper()
	if err := proto.Unmarshal(written, got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("it reads:\n%s\nand not:\n%s", prototext.Format(got), prototext.Format(want))
	}
}

// What is written by hand is what the types of the protocol read, every field of it.
func TestMessages(t *testing.T) {
	start, end := time.Unix(1700000000, 5), time.Unix(1700000001, 7)
	one := span{trace: []byte("0123456789abcdef"), id: []byte("01234567"), parent: []byte("76543210"), name: "chat \xff",
		kind: kindClient, start: start, end: end, failed: "timeout", attributes: []attribute{
			textAttribute("s", "é\xff"), boolAttribute("b", true), intAttribute("i", -7), floatAttribute("f", 0.25),
			textsAttribute("a", "x", "y"), textAttribute("empty", ""), boolAttribute("no", false)}}
	wantSpan := &otlptrace.Span{TraceId: one.trace, SpanId: one.id, ParentSpanId: one.parent, Name: "chat \uFFFD",
		Kind: otlptrace.Span_SPAN_KIND_CLIENT, StartTimeUnixNano: 1700000000_000000005,
		EndTimeUnixNano: 1700000001_000000007, Flags: uint32(otlptrace.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK) | 1,
		Status: &otlptrace.Status{Code: otlptrace.Status_STATUS_CODE_ERROR, Message: "timeout"},
		Attributes: []*common.KeyValue{of("s", text("é\uFFFD")),
			of("b", &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: true}}),
			of("i", &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: -7}}),
			of("f", &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: 0.25}}),
			of("a", &common.AnyValue{Value: &common.AnyValue_ArrayValue{
				ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{text("x"), text("y")}}}}),
			of("empty", text("")), of("no", &common.AnyValue{Value: &common.AnyValue_BoolValue{}})}}
	var about message
	about.attributes(resourceAttributes, []attribute{textAttribute("k", "v")})
	wantAbout := &resource.Resource{Attributes: []*common.KeyValue{of("k", text("v"))}}
	scope := &common.InstrumentationScope{Name: "homellm"}
	same(t, request(about, one.message(), one.message()), &otlptrace.TracesData{}, &otlptrace.TracesData{
		ResourceSpans: []*otlptrace.ResourceSpans{{Resource: wantAbout, SchemaUrl: semconv.SchemaURL,
			ScopeSpans: []*otlptrace.ScopeSpans{{Scope: scope, Spans: []*otlptrace.Span{wantSpan, wantSpan}}}}}})
	root := span{trace: one.trace, id: one.id, name: "conversation", kind: kindInternal, start: start, end: end}
	same(t, root.message(), &otlptrace.Span{}, &otlptrace.Span{TraceId: one.trace, SpanId: one.id, Name: "conversation",
		Kind: otlptrace.Span_SPAN_KIND_INTERNAL, StartTimeUnixNano: wantSpan.StartTimeUnixNano,
		EndTimeUnixNano: wantSpan.EndTimeUnixNano, Flags: wantSpan.Flags})

	h := &histogram{"h", "s", "how long", []float64{1, 2}, map[string]*point{}}
	for _, v := range []float64{2, 0.5, 3, 1.5} { // a bound belongs to the bucket that ends there
		h.record(v, textAttribute("k", "v"))
	}
	h.record(4, textAttribute("k", "w"))
	g := &gauge{unit: "ms", doc: "a figure"}
	g.add(end, 0, []attribute{textAttribute("k", "v")})
	g.add(end, -1.5, nil)
	at, half, three, four := uint64(1700000001_000000007), 0.5, 3.0, 4.0
	sum := 7.0
	kv := func(v string) []*common.KeyValue { return []*common.KeyValue{of("k", text(v))} }
	same(t, request(about, h.message(start, end), g.message("g")), &otlpmetrics.MetricsData{}, &otlpmetrics.MetricsData{
		ResourceMetrics: []*otlpmetrics.ResourceMetrics{{Resource: wantAbout, SchemaUrl: semconv.SchemaURL,
			ScopeMetrics: []*otlpmetrics.ScopeMetrics{{Scope: scope, Metrics: []*otlpmetrics.Metric{
				{Name: "h", Unit: "s", Description: "how long", Data: &otlpmetrics.Metric_Histogram{
					Histogram: &otlpmetrics.Histogram{
						AggregationTemporality: otlpmetrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE,
						DataPoints: []*otlpmetrics.HistogramDataPoint{
							{Attributes: kv("v"), StartTimeUnixNano: wantSpan.StartTimeUnixNano, TimeUnixNano: at, Count: 4,
								Sum: &sum, Min: &half, Max: &three, BucketCounts: []uint64{1, 2, 1},
								ExplicitBounds: []float64{1, 2}},
							{Attributes: kv("w"), StartTimeUnixNano: wantSpan.StartTimeUnixNano, TimeUnixNano: at, Count: 1,
								Sum: &four, Min: &four, Max: &four, BucketCounts: []uint64{0, 0, 1},
								ExplicitBounds: []float64{1, 2}}}}}},
				{Name: "g", Unit: "ms", Description: "a figure", Data: &otlpmetrics.Metric_Gauge{Gauge: &otlpmetrics.Gauge{
					DataPoints: []*otlpmetrics.NumberDataPoint{
						{Attributes: kv("v"), TimeUnixNano: at, Value: &otlpmetrics.NumberDataPoint_AsDouble{}},
						{TimeUnixNano: at, Value: &otlpmetrics.NumberDataPoint_AsDouble{AsDouble: -1.5}}}}}}}}}}}})
}

// What is copied from the conventions is what the packages of OpenTelemetry have: names, types and instruments.
func TestConventions(t *testing.T) {
	for _, c := range []struct {
		own    attribute
		theirs convention.KeyValue
	}{
		{textAttribute(serviceName, "a"), semconv.ServiceName("a")},
		{textAttribute(serviceVersion, "a"), semconv.ServiceVersion("a")},
		{textAttribute(serviceInstance, "a"), semconv.ServiceInstanceID("a")},
		{textAttribute(serverAddress, "a"), semconv.ServerAddress("a")},
		{intAttribute(serverPort, 7), semconv.ServerPort(7)},
		{textAttribute(errorType, "a"), semconv.ErrorTypeKey.String("a")},
		{textAttribute(conversationID, "a"), semconv.GenAIConversationID("a")},
		{textAttribute(operation, operationChat), semconv.GenAIOperationNameChat},
		{textAttribute(provider, "a"), semconv.GenAIProviderNameKey.String("a")},
		{textAttribute(requestModel, "a"), semconv.GenAIRequestModel("a")},
		{intAttribute(requestMax, 7), semconv.GenAIRequestMaxTokens(7)},
		{textAttribute(responseModel, "a"), semconv.GenAIResponseModel("a")},
		{textsAttribute(responseFinish, "a"), semconv.GenAIResponseFinishReasons("a")},
		{floatAttribute(responseFirst, 7), semconv.GenAIResponseTimeToFirstChunk(7)},
		{intAttribute(usageInput, 7), semconv.GenAIUsageInputTokens(7)},
		{intAttribute(usageOutput, 7), semconv.GenAIUsageOutputTokens(7)},
		{intAttribute(usageReasoning, 7), semconv.GenAIUsageReasoningOutputTokens(7)},
		{intAttribute(usageCacheRead, 7), semconv.GenAIUsageCacheReadInputTokens(7)},
		{textAttribute(tokenType, tokenTypeInput), semconv.GenAITokenTypeInput},
		{textAttribute(tokenType, tokenTypeOutput), semconv.GenAITokenTypeOutput},
	} {
		var v common.AnyValue
		if err := proto.Unmarshal(c.own.value, &v); err != nil {
			t.Fatal(err)
		}
		want := c.theirs.Value.AsInterface()
		if several, ok := want.([]string); ok {
			want = several[0]
		}
		_, several := v.GetValue().(*common.AnyValue_ArrayValue)
		if c.own.key != string(c.theirs.Key) || value(&v) != want ||
			several != (c.theirs.Value.Type() == convention.STRINGSLICE) {
			t.Errorf("%s is %v, and not %s, %v", c.own.key, value(&v), c.theirs.Key, want)
		}
	}
	if schemaURL != semconv.SchemaURL {
		t.Errorf("the schema is %s, and not %s", schemaURL, semconv.SchemaURL)
	}
	type instrument interface {
		Name() string
		Unit() string
		Description() string
	}
	own := newTurns()
	for i, theirs := range []instrument{genaiconv.ClientOperationDuration{}, genaiconv.ClientOperationTimeToFirstChunk{},
		genaiconv.ClientTokenUsage{}} {
		h := []*histogram{own.duration, own.first, own.tokens}[i]
		if h.name != theirs.Name() || h.unit != theirs.Unit() || h.doc != theirs.Description() {
			t.Errorf("%s, %s, %s is not %s, %s, %s", h.name, h.unit, h.doc, theirs.Name(), theirs.Unit(), theirs.Description())
		}
	}
}

// FuzzRead holds that the reply of a collector, whatever it is, ends nothing.
func FuzzRead(f *testing.F) {
	f.Add(rejecting(3, "too old"))
	f.Add([]byte("\x0a\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = partly(b)
		_ = reason(protobuf, b)
	})
}
