package otlp

import "google.golang.org/protobuf/encoding/protowire"

// The names that OpenTelemetry's semantic conventions define, of those that are sent. They are copied, because the
// packages that hold them bring 0.2 MB of code for recording and sorting; a test compares them.
const (
	schemaURL = "https://opentelemetry.io/schemas/1.41.0"

	serviceName     = "service.name"
	serviceVersion  = "service.version"
	serviceInstance = "service.instance.id"

	serverAddress = "server.address"
	serverPort    = "server.port"

	errorType = "error.type"

	conversationID  = "gen_ai.conversation.id"
	operation       = "gen_ai.operation.name"
	operationChat   = "chat"
	provider        = "gen_ai.provider.name"
	requestModel    = "gen_ai.request.model"
	requestMax      = "gen_ai.request.max_tokens"
	responseModel   = "gen_ai.response.model"
	responseFinish  = "gen_ai.response.finish_reasons"
	responseFirst   = "gen_ai.response.time_to_first_chunk"
	usageInput      = "gen_ai.usage.input_tokens"
	usageOutput     = "gen_ai.usage.output_tokens"
	usageReasoning  = "gen_ai.usage.reasoning.output_tokens"
	usageCacheRead  = "gen_ai.usage.cache_read.input_tokens"
	tokenType       = "gen_ai.token.type"
	tokenTypeInput  = "input"
	tokenTypeOutput = "output"
)

// attribute is a name with its value, which is an AnyValue.
type attribute struct {
	key   string
	value message
}

func textAttribute(key, v string) attribute {
	var value message
	value.text(valueText, v)
	return attribute{key, value}
}

func textsAttribute(key string, all ...string) attribute {
	var value, array message
	for _, v := range all {
		array.bytes(arrayValues, textAttribute("", v).value)
	}
	value.bytes(valueArray, array)
	return attribute{key, value}
}

func boolAttribute(key string, v bool) attribute {
	var value message
	value.whole(valueBool, protowire.EncodeBool(v))
	return attribute{key, value}
}

func intAttribute(key string, v int) attribute {
	var value message
	value.whole(valueInt, uint64(v))
	return attribute{key, value}
}

func floatAttribute(key string, v float64) attribute {
	var value message
	value.double(valueDouble, v)
	return attribute{key, value}
}

// attributes writes each of them as one KeyValue of a field.
func (m *message) attributes(field protowire.Number, all []attribute) {
	for _, a := range all {
		var pair message
		pair.text(pairKey, a.key)
		pair.bytes(pairValue, a.value)
		m.bytes(field, pair)
	}
}
