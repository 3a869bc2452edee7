package host

import (
	"bytes"
	"regexp"
	"strings"
)

// Diagnosis is what a log says about why a server did not start.
type Diagnosis struct {
	Class string // a word for it, such as gpu_memory; empty if nothing was recognised
	Line  string // the line that says so
	Fix   string // what to do; numbers from the line are in it
}

// symptom is one thing that servers write before they give up. ${1} and so on in fix are the
// groups of the pattern.
type symptom struct {
	class   string
	pattern *regexp.Regexp
	fix     string
}

func sign(class, pattern, fix string) symptom {
	return symptom{class, regexp.MustCompile(pattern), fix}
}

// symptoms are the causes. The one on the earliest line of the log wins: what follows a cause are its
// consequences. Of two on one line it is the one that stands first here.
var symptoms = []symptom{
	// vLLM and what it rests on.
	sign("bad_flag", `error: unrecognized arguments: (.+)`, "this version does not know ${1}: remove it from the profile's flags"),
	sign("bad_flag", `error: argument (--\S+): (.+)`, "correct ${1} in the profile's flags"),
	sign("gpu_memory", `Free memory on device .*?\(([\d.]+)/([\d.]+) GiB\) on startup is less than desired GPU memory utilization \(([\d.]+), ([\d.]+) GiB\)`,
		"${1} of ${2} GiB are free and ${4} are wanted: end what else uses the GPU, or lower gpu_memory_utilization from ${3}"),
	sign("kv_memory", `No available memory for the cache blocks`, "raise gpu_memory_utilization, or take a smaller or quantised model"),
	sign("kv_memory", `To serve at least one request with .*?estimated maximum model length is ([\d,]+)`, "set max_model_len to at most ${1}, or raise gpu_memory_utilization"),
	sign("kv_memory", `To serve at least one request with the model(?:'?s'?s?)? max(?:imum)? seq len \(?([\d,]+)\)?.*?([\d.]+) GiB KV cache is needed.*?available KV cache memory \(([\d.]+) GiB\)`,
		"a context of ${1} needs ${2} GiB of KV cache and ${3} are there: lower max_model_len or raise gpu_memory_utilization"),
	sign("gpu_memory", `torch\.(?:cuda\.)?OutOfMemoryError: CUDA out of memory\. Tried to allocate ([\d.]+ [GM]iB)`,
		"the GPU's memory is full: take a smaller model, a shorter context, or end what else uses the GPU (nvidia-smi shows it)"),
	// Ollama's, which the next pattern would match as well.
	sign("port", `listen tcp \S+: bind: address already in use`, "Ollama runs already, perhaps as a service: attach to it instead"),
	sign("port", `\[Errno 98\]|error while attempting to bind on address|(?i:address already in use)`,
		"another process listens on that port: homellm servers shows what it is"),
	sign("gated", `You are trying to access a gated repo|GatedRepoError|401 Client Error`,
		"accept the model's licence on its page and set HF_TOKEN"),
	sign("offline", `LocalEntryNotFoundError|offline mode is enabled|OfflineModeIsEnabled`,
		"the model is not on this machine and the server runs offline: fetch it first: homellm models pull MODEL"),
	sign("model_missing", `is not a local folder and is not a valid model identifier listed on 'https://huggingface\.co/models'|Repository Not Found|Invalid repository ID or local directory specified`,
		"check the model's name in models.yaml"),
	sign("model_unsupported", `Model architectures \[.*\] are not supported|has no vLLM implementation`,
		"this version does not support the model: update the server or take another model"),
	sign("context_too_long", `User-specified max_model_len \((\d+)\) is greater than the derived max_model_len`,
		"the model was not trained for ${1} tokens: lower max_model_len"),
	sign("dtype", `Bfloat16 is only supported on GPUs with compute capability of at least 8\.0`, "set dtype: float16"),
	sign("driver", `No CUDA GPUs are available|CUDA driver version is insufficient|Failed to infer device type`,
		"the server sees no usable GPU: homellm doctor shows what this machine has"),
	// SGLang.
	sign("gpu_memory", `Not enough memory\. Please try to increase --mem-fraction-static`, "raise mem_fraction_static, or take a smaller model"),
	// llama.cpp.
	sign("port", `couldn't bind HTTP server socket, hostname: .*, port: (\d+)`, "another process listens on port ${1}: homellm servers shows what it is"),
	sign("bad_flag", `error: invalid argument: (.+)`, "this build does not know ${1}: remove it from the profile's flags"),
	sign("bad_flag", `error while handling argument "(.+?)": (.+)`, "correct ${1} in the profile's flags"),
	sign("model_unsupported", `unknown model architecture: '(.+?)'`, "this build does not support ${1} models: update llama.cpp"),
	sign("model_broken", `invalid magic characters|tensor .* data is not within the file bounds`, "the model file is damaged or no GGUF: download it again"),
	sign("model_missing", `failed to open GGUF file|exiting due to model loading error|No such file or directory`, "check the path of the model file"),
	sign("gpu_memory", `cudaMalloc failed: out of memory|hipMalloc failed|failed to allocate (?:\S+ )?buffer|out of device memory|vk_error_out_of_device_memory|erroroutofdevicememory|not enough memory|insufficient memory`,
		"memory is full: offload fewer layers (n_gpu_layers), shorten the context, or take a smaller quantisation"),
	sign("context", `failed to create context with model|failed to initialize the context`, "lower ctx_size, or take a smaller KV cache type"),
	sign("crash", `GGML_ASSERT\(`, "llama.cpp failed a check of its own: update it, or take another build"),
	// Ollama.
	sign("memory", `model requires more system memory \((.+?)\) than is available \((.+?)\)`, "the model needs ${1} and ${2} are free: take a smaller one"),
	sign("crash", `llama runner process has terminated: (.+)`, "Ollama's runner ended: ${1}"),
}

// consequences say only that something went before; they count if nothing else was recognised.
var consequences = []symptom{
	sign("engine", `Engine core initialization failed\. See root cause above|EngineCore failed to start`, ""),
	sign("exception", `(?m)^(?:\(.*?\) )?(?:[\w.]+\.)?\w*(?:Error|Exception): .+$`, ""),
	sign("killed", `(?m)^Killed$`, "the kernel ended it, most likely for want of memory"),
}

// recovered is what llama.cpp writes when it goes on after a failed allocation.
var recovered = []byte("retrying without pipeline parallelism")

// Diagnose finds out what a log says about a failed start; false if it says nothing known.
func Diagnose(log []byte) (Diagnosis, bool) {
	if i := bytes.LastIndex(log, recovered); i >= 0 {
		log = log[i+len(recovered):]
	}
	for _, table := range [][]symptom{symptoms, consequences} {
		first, at := -1, []int(nil)
		for i, s := range table {
			if m := s.pattern.FindSubmatchIndex(log); m != nil && (at == nil || lineStart(log, m[0]) < lineStart(log, at[0])) {
				first, at = i, m
			}
		}
		if first < 0 {
			continue
		}
		s := table[first]
		return Diagnosis{Class: s.class, Line: lineAt(log, at[0]), Fix: string(s.pattern.Expand(nil, []byte(s.fix), log, at))}, true
	}
	return Diagnosis{}, false
}

// lineStart is where the line around an offset begins.
func lineStart(log []byte, at int) int { return bytes.LastIndexByte(log[:at], '\n') + 1 }

// lineAt is the whole line around an offset.
func lineAt(log []byte, at int) string {
	from := lineStart(log, at)
	to := len(log)
	if i := bytes.IndexByte(log[at:], '\n'); i >= 0 {
		to = at + i
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(log[from:to])), "�")
}
