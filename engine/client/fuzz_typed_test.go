package client

import (
	"strings"
	"testing"
)

// FuzzTyped compares the decoders of the responses and the messages API with encoding/json: both accept and refuse the
// same input and read the same texts and counts. An event gives the same result whatever came before it.
func FuzzTyped(f *testing.F) {
	for _, data := range []string{
		`{"type":"response.output_text.delta","sequence_number":4,"delta":"b"}`,
		`{"delta":"b","type":"response.refusal.delta"}`,
		`{"type":"response.reasoning_text.delta","delta":"\u00fc\n"}`,
		`{"type":"response.reasoning_summary_text.delta","delta":{"text":"b"}}`,
		`{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{\"a\":"}`,
		`{"type":"response.output_item.done","item":{"type":"function_call","call_id":"a","name":"f","arguments":"{}"}}`,
		`{"type":"response.completed","response":{"model":"m","status":"completed","output":[{"type":"message","content":` +
			`[{"type":"output_text","text":"b"}]}],"usage":{"input_tokens":3,"output_tokens":1,"input_tokens_details":` +
			`{"cached_tokens":2},"output_tokens_details":{"reasoning_tokens":1}}}}`,
		`{"type":"response.failed","response":{"status":"failed","error":{"message":"boom"}}}`,
		`{"object":"response","status":"incomplete","output":[],"incomplete_details":{"reason":"max_output_tokens"}}`,
		`{"type":"message_start","message":{"model":"m","usage":{"input_tokens":1,"cache_read_input_tokens":32,"output_tokens":0}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"b"}}`,
		`{"index":0,"delta":{"partial_json":"{\"a\"","type":"input_json_delta"},"type":"content_block_delta"}`,
		`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}`,
		`{"type":"message","content":[{"type":"text","text":"b"}],"stop_reason":"end_turn","usage":{"input_tokens":1}}`,
		`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, `{"error":null}`, `{"type":"ping"}`,
		`{"type":"message_delta"}`, `{"type":"message_start"}`, `{"type":"content_block_delta"}`, `{"type":1,"delta":"b"} x`,
	} {
		for _, messages := range []bool{false, true} {
			f.Add(messages, []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}`), []byte(data))
			f.Add(messages, []byte(`{"type":"response.output_text.delta","delta":"a"}`), []byte(data))
		}
	}
	f.Fuzz(func(t *testing.T, messages bool, before, data []byte) {
		decode := decodeResponses
		if messages {
			decode = decodeMessages
		}
		alone, tree := readTwice(t, decode, before, data)
		if tree == nil {
			return
		}
		if want, got := typedOracle(tree, messages), string(alone.answer)+"|"+string(alone.reasoning)+"|"+
			string(alone.refusal); !alone.message && want != "" && want != got {
			t.Errorf("encoding/json reads %q, the scanner %q: %q", want, got, data)
		}
	})
}

// typedOracle returns the text of a delta and its channel, read in the obvious way; empty for other events.
func typedOracle(tree map[string]any, messages bool) string {
	kind, _ := tree["type"].(string)
	said := [3]string{}
	if messages {
		delta, _ := tree["delta"].(map[string]any)
		if kind != "content_block_delta" {
			return ""
		}
		said[0], _ = delta["text"].(string)
		said[1], _ = delta["thinking"].(string)
		return strings.Join(said[:], "|")
	}
	channel := map[string]int{"response.output_text.delta": 0, "response.reasoning_text.delta": 1,
		"response.reasoning_summary_text.delta": 1, "response.refusal.delta": 2}
	i, known := channel[kind]
	if _, whole := tree["response"]; !known || whole {
		return ""
	}
	if _, item := tree["item"]; item {
		return ""
	}
	said[i], _ = tree["delta"].(string)
	return strings.Join(said[:], "|")
}
