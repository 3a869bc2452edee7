package engines

import (
	"fmt"
	"slices"
)

// Check is one check of a flag's value.
type Check struct {
	Flag  string
	Value func(value any, flags Values, p Profile) *Finding // nil if the value is right
}

// Profile is what checks compare flags with.
type Profile struct{ ContextTokens, Port int }

// Finding is a problem of a flag.
type Finding struct {
	Wrong   bool // the server cannot start, or differs from the profile; otherwise a warning
	Message string
	Help    string
	Known   []string // known values, of which one may have been meant
}

func wrong(help, format string, args ...any) *Finding {
	return &Finding{Wrong: true, Message: fmt.Sprintf(format, args...), Help: help}
}

// share checks a share of the graphics memory.
func share(v any, _ Values, _ Profile) *Finding {
	f, ok := v.(float64)
	if i, whole := v.(int); whole {
		f, ok = float64(i), true
	}
	if ok && (f <= 0 || f > 1) {
		return wrong("0.9 is 90 %", "%s is a share of the graphics memory, more than 0 and at most 1", scalar(v))
	}
	return nil
}

func atLeast(low int) func(any, Values, Profile) *Finding {
	return func(v any, _ Values, _ Profile) *Finding {
		if i, ok := wholeOf(v); ok && i < low {
			return wrong("", "%d is too small: it must be %d or more", i, low)
		}
		return nil
	}
}

// served compares a context flag with the profile's context_tokens.
func served(v any, _ Values, p Profile) *Finding {
	if i, ok := wholeOf(v); ok && p.ContextTokens > 0 && i != p.ContextTokens {
		return wrong("make them equal, or write ${context_tokens} here",
			"the server is started with a context of %d tokens, and the profile says context_tokens: %d", i, p.ContextTokens)
	}
	return nil
}

// slotted does the same for llama.cpp, which divides its context among its slots.
func slotted(v any, flags Values, p Profile) *Finding {
	slots, ok := flags.whole("parallel")
	total, isNumber := wholeOf(v)
	if !ok || !isNumber || slots < 1 || p.ContextTokens == 0 || total/slots == p.ContextTokens {
		return nil
	}
	return wrong("make them agree",
		"a context of %d tokens divided among %d slots is not context_tokens: %d", total, slots, p.ContextTokens)
}

// batched checks the size of a prefill step. Without chunked prefill a prompt must fit one step.
func batched(v any, flags Values, p Profile) *Finding {
	tokens, ok := wholeOf(v)
	if !ok {
		return nil
	}
	if seqs, ok := flags.whole("max_num_seqs"); ok && tokens < seqs {
		return wrong("", "%d batched tokens are fewer than %d sequences, each of which takes one", tokens, seqs)
	}
	length, ok := flags.whole("max_model_len")
	if !ok {
		length = p.ContextTokens
	}
	if length == 0 || tokens >= length {
		return nil
	}
	if flags["no_enable_chunked_prefill"] == true || flags["enable_chunked_prefill"] == false {
		return wrong("raise max_num_batched_tokens, or enable chunked prefill",
			"without chunked prefill %d batched tokens cannot hold a prompt of max_model_len %d", tokens, length)
	}
	return nil
}

// forbidden warns of a flag that is switched on.
func forbidden(why string) func(any, Values, Profile) *Finding {
	return func(v any, _ Values, _ Profile) *Finding {
		if v == false {
			return nil
		}
		return &Finding{Message: why, Help: "remove the flag"}
	}
}

// ownPort compares the port of the command line with the port that requests go to.
func ownPort(v any, _ Values, p Profile) *Finding {
	if i, ok := wholeOf(v); ok && i != p.Port {
		return wrong("write port: ${port} here, and the number as port: of the profile",
			"the server is started on port %d, and requests go to the port of the profile", i)
	}
	return nil
}

// oneOf warns of a value that is not among the known ones; later versions may add more.
func oneOf(values ...string) func(any, Values, Profile) *Finding {
	return func(v any, _ Values, _ Profile) *Finding {
		if text, ok := v.(string); ok && !slices.Contains(values, text) {
			return &Finding{Message: text + " is not a value that homellm knows for this flag", Known: values}
		}
		return nil
	}
}

// partOf checks that a batch is not larger than the one it is part of.
func partOf(larger string) func(any, Values, Profile) *Finding {
	return func(v any, flags Values, p Profile) *Finding {
		part, ok := wholeOf(v)
		whole, known := flags.whole(larger)
		if ok && known && part > whole {
			return wrong("", "%d is more than %s: %d, of which it is a part", part, larger, whole)
		}
		return atLeast(1)(v, flags, p)
	}
}

var llamaCacheTypes = oneOf("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")

// quantisedValues checks llama.cpp's cache of values: without flash attention only keys may be quantised.
func quantisedValues(v any, flags Values, p Profile) *Finding {
	if off, set := flags["flash_attn"]; set && slices.Contains([]string{"off", "false"}, scalar(off)) {
		if text := scalar(v); !slices.Contains([]string{"f32", "f16", "bf16"}, text) {
			return wrong(`write flash_attn: "on", or leave cache_type_v out`,
				"values of the KV cache can be %s only with flash attention, which is off", text)
		}
	}
	return llamaCacheTypes(v, flags, p)
}
