package host

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiagnose(t *testing.T) {
	tests := []struct {
		name, log string
		want      Diagnosis
	}{
		{
			"vLLM: the cause, not the last line",
			"INFO loading\n(EngineCore_DP0 pid=7) ValueError: Free memory on device (3.21/23.99 GiB) on startup is less than " +
				"desired GPU memory utilization (0.9, 21.59 GiB). Decrease it.\n" +
				"(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n",
			Diagnosis{"gpu_memory", "(EngineCore_DP0 pid=7) ValueError: Free memory on device (3.21/23.99 GiB) on startup is " +
				"less than desired GPU memory utilization (0.9, 21.59 GiB). Decrease it.",
				"3.21 of 23.99 GiB are free and 21.59 are wanted: end what else uses the GPU, or lower gpu_memory_utilization " +
					"from 0.9"},
		},
		{
			"vLLM: a context too long for its KV cache",
			"ValueError: To serve at least one request with the models's max seq len (131072), (16.00 GiB KV cache is needed, " +
				"which is larger than the available KV cache memory (5.16 GiB). Based on the available memory, the estimated " +
				"maximum model length is 42224.\n",
			Diagnosis{"kv_memory", "ValueError: To serve at least one request with the models's max seq len (131072), (16.00 " +
				"GiB KV cache is needed, which is larger than the available KV cache memory (5.16 GiB). Based on the available " +
				"memory, the estimated maximum model length is 42224.",
				"set max_model_len to at most 42224, or raise gpu_memory_utilization"},
		},
		{
			"vLLM: only the consequence",
			"x\nRuntimeError: Engine core initialization failed. See root cause above.\n",
			Diagnosis{Class: "engine", Line: "RuntimeError: Engine core initialization failed. See root cause above."},
		},
		{
			"llama.cpp: port",
			"main: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 8080\n",
			Diagnosis{"port", "main: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 8080",
				"another process listens on port 8080: homellm servers shows what it is"},
		},
		{
			"llama.cpp: an allocation it recovered from is no cause",
			"ggml: cudaMalloc failed: out of memory\nretrying without pipeline parallelism\nGGML_ASSERT(x) failed\n",
			Diagnosis{"crash", "GGML_ASSERT(x) failed", "an internal check of llama.cpp failed: update it, or take another build"},
		},
		{
			"Ollama: port",
			"Error: listen tcp 127.0.0.1:11434: bind: address already in use\n",
			Diagnosis{"port", "Error: listen tcp 127.0.0.1:11434: bind: address already in use",
				"Ollama runs already, perhaps as a service: attach to it instead"},
		},
		{
			"any Python program",
			"Traceback (most recent call last):\n  File \"x.py\", line 1\nsomepackage.errors.ConfigError: no such section\n",
			Diagnosis{Class: "exception", Line: "somepackage.errors.ConfigError: no such section"},
		},
		{"nothing known", "all is well\n", Diagnosis{}},
		{"nothing", "", Diagnosis{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := diagnose([]byte(tt.log))
			if ok != (tt.want.Class != "") {
				t.Errorf("recognised %v", ok)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Every symptom must be reachable: its own sample has to lead to it and to no other.
func TestSymptoms_Samples(t *testing.T) {
	samples := map[string]string{
		"vllm: error: argument --max-num-seqs: invalid int value: 'x'":                                                   "bad_flag",
		"ValueError: No available memory for the cache blocks. Try increasing":                                           "kv_memory",
		"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.":                                        "gpu_memory",
		"[Errno 98] error while attempting to bind on address ('127.0.0.1', 8000)":                                       "port",
		"OSError: You are trying to access a gated repo.":                                                                "gated",
		"huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot":                     "offline",
		"OSError: x is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'": "model_missing",
		"ValueError: Model architectures ['X'] are not supported for now.":                                               "model_unsupported",
		"ValueError: User-specified max_model_len (65536) is greater than the derived max_model_len " +
			"(max_position_embeddings=4k)": "context_too_long",
		"ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0.": "dtype",
		"RuntimeError: No CUDA GPUs are available":                                                "driver",
		"RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.":          "gpu_memory",
		"error: invalid argument: --fit":                                                          "bad_flag",
		`error while handling argument "--ctx-size": stoi`:                                        "bad_flag",
		"error loading model: unknown model architecture: 'gemma9'":                               "model_unsupported",
		"gguf_init_from_file_impl: invalid magic characters: 'abcd', expected":                    "model_broken",
		"gguf_init_from_file: failed to open GGUF file 'm.gguf'":                                  "model_missing",
		"ggml_backend_cuda_buffer_type_alloc_buffer: cudaMalloc failed: out of memory":            "gpu_memory",
		"common_init_from_params: failed to create context with model 'm.gguf'":                   "context",
		"Error: model requires more system memory (9.1 GiB) than is available (4.0 GiB)":          "memory",
		"llama runner process has terminated: signal: killed":                                     "crash",
	}
	for line, class := range samples {
		if got, _ := diagnose([]byte("before\n" + line + "\nafter\n")); got.Class != class || got.Line != line ||
			got.Fix == "" || strings.Contains(got.Fix, "$") {
			t.Errorf("%s\ngot %+v, want class %s", line, got, class)
		}
	}
}

func TestTail(t *testing.T) {
	log := []byte("one\n\nloading 10%\rloading 99%\r\ntwo \xff\nthree")
	if diff := cmp.Diff([]string{"loading 99%", "two �", "three"}, tail(log, 3)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := tail(nil, 3); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}
