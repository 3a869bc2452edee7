package engines

import "regexp"

// Log is what is known of an engine's log.
type Log struct {
	Symptoms  []Symptom
	Recovered []string // lines that it writes when it continues after a failure: nothing before them is a cause
}

// Symptom is a log line of a server that fails.
type Symptom struct {
	Class   string // name of the cause, such as gpu_memory
	Pattern *regexp.Regexp
	Fix     string // what to do; ${1} and so on are the groups of the pattern
}

func sign(class, pattern, fix string) Symptom {
	return Symptom{class, regexp.MustCompile(pattern), fix}
}

// pythonSymptoms are the symptoms of libraries that servers in Python use.
var pythonSymptoms = []Symptom{
	sign("port", `\[Errno 98\]|error while attempting to bind on address|(?i:address already in use)`,
		"another process listens on that port: homellm servers shows what it is"),
	sign("gated", `You are trying to access a gated repo|GatedRepoError|401 Client Error`,
		"accept the model's licence on its page and set HF_TOKEN"),
	sign("offline", `LocalEntryNotFoundError|offline mode is enabled|OfflineModeIsEnabled`,
		"the model is not on this machine and the server runs offline: fetch it first: homellm models pull MODEL"),
	sign(
		"model_missing",
		`is not a local folder and is not a valid model identifier listed on 'https://huggingface\.co/models'|`+
			`Repository Not Found|Invalid repository ID or local directory specified`,
		"check the model's name in models.yaml",
	),
	sign("model_unsupported", `Model architectures \[.*\] are not supported|has no vLLM implementation`,
		"this version does not support the model: update the server or take another model"),
	sign("context_too_long", `User-specified max_model_len \((\d+)\) is greater than the derived max_model_len`,
		"the model was not trained for ${1} tokens: lower max_model_len"),
	sign("dtype", `Bfloat16 is only supported on GPUs with compute capability of at least 8\.0`, "set dtype: float16"),
	sign("driver", `No CUDA GPUs are available|CUDA driver version is insufficient|Failed to infer device type`,
		"the server sees no usable GPU: homellm doctor shows what this machine has"),
}
