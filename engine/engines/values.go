package engines

import (
	"slices"
	"strconv"
)

// Values are the flags of a profile by name, with underscores.
type Values map[string]any

// Number is the first of the flags that is a number, or a text that can be read as one.
func (f Values) Number(names ...string) (float64, bool) {
	for _, name := range names {
		switch v := f[name].(type) {
		case int:
			return float64(v), true
		case float64:
			return v, true
		case string:
			if n, err := strconv.ParseFloat(v, 64); err == nil {
				return n, true
			}
		}
	}
	return 0, false
}

// On reports whether one of the flags is present and not off.
func (f Values) On(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		v, set := f[name]
		return set && v != nil && v != false
	})
}

// Text is the first of the flags that is a text.
func (f Values) Text(names ...string) (string, bool) {
	for _, name := range names {
		if v, ok := f[name].(string); ok {
			return v, true
		}
	}
	return "", false
}

// whole is a flag with a whole number.
func (f Values) whole(name string) (int, bool) { return wholeOf(f[name]) }

func wholeOf(v any) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case float64:
		if i := int(v); float64(i) == v {
			return i, true
		}
	}
	return 0, false
}

// cardMemory is for engines that take a share of each card, such as vLLM and SGLang.
func cardMemory(share string) Memory {
	return Memory{
		Share:   share,
		KVTypes: [][]string{{"kv_cache_dtype"}},
		Offload: []string{"cpu_offload_gb"},
		Parallel: [][]string{
			{"tensor_parallel_size", "tp_size", "tp"}, {"pipeline_parallel_size", "pp_size"}, {"data_parallel_size", "dp_size"},
		},
		SmallKV: "kv_cache_dtype: fp8",
	}
}
