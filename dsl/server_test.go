package dsl

import (
	"strings"
	"testing"
)

func TestArgv(t *testing.T) {
	lib := shippedLibrary(t)
	values := map[string]string{"port": "8002", "context_tokens": "16384",
		"model.ref": "Qwen/Qwen2.5-3B-Instruct-GPTQ-Int4", "model.served_name": "qwen2.5-3b-gptq"}
	got := strings.Join(lib.Server("qwen-optimized").Launch.argv(values), " ")
	want := "vllm serve Qwen/Qwen2.5-3B-Instruct-GPTQ-Int4 --host 127.0.0.1 --port 8002 --served-model-name " +
		"qwen2.5-3b-gptq" +
		" --max-model-len 16384 --generation-config vllm --enable-prefix-caching --enable-prompt-tokens-details " +
		"--disable-uvicorn-access-log" +
		" --gpu-memory-utilization 0.6 --max-num-seqs 1 --max-num-batched-tokens 16384"
	if got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
	values["model.revision"] = "abc"
	if got := strings.Join(lib.Server("phi3-debug").Launch.argv(values), " "); !strings.Contains(got,
		" --revision abc --max-model-len") {
		t.Errorf("a pinned revision is not passed on: %s", got)
	}
	l := Launch{Command: []string{"a b", "${port}x"}, Flags: []Flag{
		{Name: "off", Value: false}, {Name: "on", Value: true}, {Name: "many", Value: []string{"1", "${port}"}},
		{Name: "n", Value: 3}, {Name: "f", Value: 0.25}, {Name: "empty", Value: ""}, {Name: "gone", Value: "${model.file}"},
	}, Env: []Flag{{Name: "A", Value: "1"}, {Name: "B", Value: "p${port}"}}}
	if got := strings.Join(l.argv(values), "|"); got != "a b|8002x|--on|--many|1|8002|--n|3|--f|0.25|--empty|" {
		t.Errorf("%s", got)
	}
	if got := strings.Join(l.Environ(values), "|"); got != "A=1|B=p8002" {
		t.Errorf("%s", got)
	}
}
