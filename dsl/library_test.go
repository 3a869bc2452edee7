package dsl

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"homellm/engine/engines"
	"homellm/engine/wire"
)

func serversFile(text string) File {
	return File{Name: "mine.yaml", Data: []byte("schema: homellm.servers/v1\n" + text)}
}

func TestShippedFiles(t *testing.T) {
	lib := shippedLibrary(t) // without a finding
	for _, name := range []string{"phi-3.5-mini", "qwen2.5-0.5b", "qwen2.5-1.5b", "qwen2.5-3b", "qwen2.5-3b-gptq",
		"qwen2.5-7b", "qwen3-8b", "llama-3.1-8b", "llama-3.2-1b", "llama-3.2-3b", "mistral-7b-v0.3", "gemma-2-9b",
		"gemma-3-4b", "deepseek-r1-distill-qwen-7b", "smollm2-1.7b"} {
		m := lib.Model(name)
		if m == nil || m.Name != name {
			t.Errorf("model %s: %+v", name, m)
			continue
		}
		if m.Architecture == nil || m.Context.Trained == 0 || m.Template == "" || m.Description == "" ||
			m.Engines["vllm"].Ref == "" {
			t.Errorf("model %s says too little: %+v", name, m)
		}
		if m.PrefixStable == (m.Reason != "") {
			t.Errorf("model %s: prefix stable %v, because %q", name, m.PrefixStable, m.Reason)
		}
		for _, e := range m.Engines {
			if got := lib.Model(e.Ref); e.Ref != "" && got != m {
				t.Errorf("%s means model %s, want %s", e.Ref, got.Name, name)
			}
		}
	}
	for _, m := range lib.Models {
		if unsaid := !strings.Contains(m.Description, "Its template is not shipped."); unsaid == (m.Template == "") {
			t.Errorf("model %s has the template %q, and says: %s", m.Name, m.Template, m.Description)
		}
	}
	for _, name := range []string{"phi3-debug", "phi3-production", "phi3-long", "qwen-optimized", "llamacpp", "ollama",
		"sglang", "lmstudio", "tabby", "koboldcpp", "generic", "sim"} {
		s := lib.Server(name)
		if s == nil || s.Abstract || s.Description == "" || s.Engine == "" || len(s.Models) == 0 {
			t.Errorf("server %s: %+v", name, s)
		}
	}
	if base := lib.Server("vllm-base"); base == nil || !base.Abstract {
		t.Errorf("vllm-base: %+v", base)
	}
}

func TestInheritance(t *testing.T) {
	lib := shippedLibrary(t)
	s := lib.Server("phi3-long") // extends phi3-production, which extends vllm-base
	if s.Port != 8001 || s.ContextTokens != 32768 || s.Engine != "vllm" || s.Abstract ||
		s.Startup.Timeout != 10*time.Minute || s.Stop.Grace != 30*time.Second {
		t.Errorf("%+v", s)
	}
	var flags []string
	for _, f := range s.Launch.Flags {
		flags = append(flags, f.Name)
	}
	want := []string{"host", "port", "served_model_name", "revision", "max_model_len", "generation_config",
		"enable_prefix_caching", "enable_prompt_tokens_details", "disable_uvicorn_access_log", "gpu_memory_utilization",
		"max_num_seqs", "max_num_batched_tokens", "disable_sliding_window", "enable_log_requests"}
	if diff := cmp.Diff(want, flags); diff != "" {
		t.Errorf("flags out of order (-want +got)\n%s", diff)
	}
	if !strings.Contains(s.Description, "32,768") {
		t.Errorf("the description is inherited: %q", s.Description)
	}
}

// A list of models says what a command line can be started with. A profile whose server is another one does not
// inherit it: its runs would be labelled with a model that it does not have.
func TestInheritance_OfModels(t *testing.T) {
	lib, diags := LoadLibrary(append(shippedFiles(t), serversFile(`servers:
  running:   {extends: phi3-debug, attach: {url: "http://10.0.0.2:80"}}
  again:     {extends: running, context_tokens: 4096}
  said:      {extends: phi3-debug, attach: {url: "http://10.0.0.2:80"}, models: [qwen2.5-3b]}
  other:
    extends: phi3-debug
    launch: {command: [vllm, serve, /weights/own], flags: {served_model_name: own, revision: null}}
  longer:    {extends: phi3-debug, launch: {flags: {gpu_memory_utilization: 0.4}}}
  phi3-long: {extends: phi3-long, attach: {url: "http://10.0.0.3:80"}}
`))...)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	for name, want := range map[string]string{"running": "[]", "again": "[]", "said": "[qwen2.5-3b]", "other": "[]",
		"longer": "[phi-3.5-mini]", "phi3-long": "[]"} {
		if got := fmt.Sprint(lib.Server(name).Models); got != want {
			t.Errorf("%s lists %s, want %s", name, got, want)
		}
	}
}

func TestLaterFilesOverride(t *testing.T) {
	files := append(shippedFiles(t), serversFile(`defaults:
  http: {ttft_timeout: 9m}
servers:
  phi3-debug:                # changes the shipped one
    extends: phi3-debug
    port: 9001
    launch:
      env: {VLLM_SERVER_DEV_MODE: null}
      flags: {enforce_eager: null, swap_space: [1, 2.5], dtype: half, seed: 3, share: 0.25}
  ollama:                    # replaces it
    engine: openai
    attach: {url: "http://10.0.0.2:80", api_key: {env: MY_KEY}}
  own:
    extends: phi3-debug
    context_tokens: 4096
    launch: {flags: {max_num_batched_tokens: 4096}}
    capabilities: {cache_salt: null}
`))
	lib, diags := LoadLibrary(files...)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	debug, own := lib.Server("phi3-debug"), lib.Server("own")
	if debug.Port != 9001 || debug.ContextTokens != 8192 || debug.HTTP.FirstToken != 9*time.Minute ||
		debug.HTTP.Connect != 5*time.Second {
		t.Errorf("%+v", debug)
	}
	flag := func(s *Server, name string) any {
		i := slices.IndexFunc(s.Launch.Flags, func(f Flag) bool { return f.Name == name })
		if i < 0 {
			return nil
		}
		return s.Launch.Flags[i].Value
	}
	for name, want := range map[string]any{
		"enforce_eager": nil, "swap_space": []string{"1", "2.5"}, "dtype": "half", "seed": 3, "share": 0.25,
		"gpu_memory_utilization": 0.5, "enable_prefix_caching": true,
	} {
		if diff := cmp.Diff(want, flag(debug, name)); diff != "" {
			t.Errorf("flag %s %s", name, diff)
		}
	}
	if i := slices.IndexFunc(debug.Launch.Env, func(f Flag) bool { return f.Name == "VLLM_SERVER_DEV_MODE" }); i >= 0 {
		t.Error("null did not remove an environment variable")
	}
	if own.Port != 9001 || own.ContextTokens != 4096 || own.Capabilities.CacheSalt != "" ||
		own.Capabilities.Tokenize != "/tokenize" {
		t.Errorf("%+v", own)
	}
	if o := lib.Server("ollama"); o.Engine != "openai" || o.Attach != "http://10.0.0.2:80" || o.APIKey.Env != "MY_KEY" ||
		o.Pos.File != "mine.yaml" {
		t.Errorf("%+v", o)
	}
	if debug.Pos.File != "mine.yaml" || lib.Server("sglang").Pos.File != "servers.yaml" {
		t.Errorf("%v, %v", debug.Pos, lib.Server("sglang").Pos)
	}
	if at := slices.IndexFunc(lib.Servers, func(s *Server) bool { return s.Name == "phi3-debug" }); at != 1 {
		t.Errorf("phi3-debug has moved to %d", at)
	}
}

func TestModelNames(t *testing.T) {
	lib := shippedLibrary(t)
	of := func(m *Model) string {
		if m == nil {
			return ""
		}
		return m.Name
	}
	// What a user types is one of the names of a model.
	own := map[string]string{
		"qwen2.5-3b": "qwen2.5-3b", "Qwen2.5-3B": "qwen2.5-3b", "phi3": "phi-3.5-mini",
		"Qwen/Qwen2.5-3B-Instruct": "qwen2.5-3b", "Qwen/Qwen2.5-3B-Instruct-GPTQ-Int4": "qwen2.5-3b-gptq",
		"deepseek-r1:7b": "deepseek-r1-distill-qwen-7b", "gpt-4o": "", "": "",
	}
	for name, want := range own {
		if got := of(lib.Model(name)); got != want {
			t.Errorf("%q means %q, want %q", name, got, want)
		}
		if got := of(lib.Recognise(name)); got != want {
			t.Errorf("%q is recognised as %q, want %q", name, got, want)
		}
	}
	// What a server calls its model is recognised, and no other model than itself.
	for name, want := range map[string]string{
		"qwen2.5:3b-instruct-q4_K_M": "qwen2.5-3b", "/models/Qwen2.5-3B-Instruct-Q8_0.gguf": "qwen2.5-3b",
		"qwen2.5-32b-instruct": "", "phi-3.5-mini-4bit": "phi-3.5-mini", "qwen2.5-3b-gptq-int8": "qwen2.5-3b-gptq",
		"bartowski/Llama-3.2-1B-Instruct-GGUF": "llama-3.2-1b", "llama3.1:8b-instruct-q8_0": "llama-3.1-8b",
	} {
		if m := lib.Model(name); m != nil {
			t.Errorf("%q means %q", name, m.Name)
		}
		if got := of(lib.Recognise(name)); got != want {
			t.Errorf("%q is recognised as %q, want %q", name, got, want)
		}
		lib.Adopt(name)
		switch m := lib.Model(name); {
		case want == "" && m != nil:
			t.Errorf("%q was adopted", name)
		case want == "":
		case m == nil || m.Name != name || len(m.Sources)+len(m.Engines) > 0 || m.Template != lib.Model(want).Template:
			t.Errorf("%q is adopted as %+v", name, m)
		}
	}
	var none *Library
	if none.Model("x") != nil || none.Recognise("x") != nil || none.Server("x") != nil {
		t.Error("a library that is not there has something")
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"abc", "abc", true}, {"abc", "abcd", false}, {"*", "", true}, {"*", "x", true}, {"a*", "abc", true},
		{"a*", "bac", false},
		{"*c", "abc", true}, {"*c", "abcd", false}, {"*a*b*", "xaxbx", true}, {"*a*b*", "ba", false}, {"a*a", "a", false},
		{"a*a", "aa", true},
	} {
		if got := matches(c.pattern, c.text); got != c.want {
			t.Errorf("%q fits %q: %v", c.text, c.pattern, got)
		}
	}
}

func TestModelsAndServersInAnyOrder(t *testing.T) {
	files := shippedFiles(t)
	slices.Reverse(files)
	if _, diags := LoadLibrary(files...); len(diags) > 0 {
		t.Error(diags)
	}
}

func TestLibraryRefusesScenarios(t *testing.T) {
	f := File{Name: "s.yaml", Data: []byte("schema: homellm.scenario/v1\nname: x\nconversations: [{id: c, steps: [{id: " +
		"s, ask: Hello}]}]\n")}
	if _, diags := LoadLibrary(f); len(diags) != 1 || diags[0].Code != "links/kind" {
		t.Error(diags)
	}
}

func BenchmarkLoadLibrary(b *testing.B) {
	files := shippedFiles(b)
	for b.Loop() {
		if _, diags := LoadLibrary(files...); len(diags) > 0 {
			b.Fatal(diags)
		}
	}
}

// A server given by its address takes the keys that the entry of its engine lists.
func TestAttach_KeysOfTheEngine(t *testing.T) {
	lib := shippedLibrary(t)
	for _, e := range engines.All {
		ignores := slices.ContainsFunc(e.Capabilities, func(c engines.Capability) bool {
			return c.Name == "ignore_eos" && c.OK
		})
		profile := lib.Server(lib.Attach("attached", e.Name, "http://127.0.0.1:1"))
		if got := profile.Capabilities.IgnoreEOS != ""; got != ignores {
			t.Errorf("%s: its entry says ignore_eos %v, a profile made for it %v", e.Name, ignores, got)
		}
		if words := engines.Of(profile.Engine).Keys[wire.Chat]; len(words) < len(e.Keys[wire.Chat]) {
			t.Errorf("%s: a profile made for it has the words of %s", e.Name, profile.Engine)
		}
	}
}

// A library of files that were parsed before, and whose schema is not checked again, is the same one each time.
func TestValid(t *testing.T) {
	want := shippedLibrary(t)
	var files []File
	for _, f := range shippedFiles(t) {
		if f = Valid(f); f.valid == nil {
			t.Errorf("%s is read anew each time", f.Name)
		}
		files = append(files, f)
	}
	for range 2 {
		got, ds := LoadLibrary(files...)
		if len(ds) > 0 || !reflect.DeepEqual(got.Servers, want.Servers) || !reflect.DeepEqual(got.Models, want.Models) {
			t.Errorf("another library: %v", ds)
		}
		got.Servers[0].Name, got.Models[0].Name = "changed", "changed" // which no other library shows
	}
	if bad := Valid(File{Name: "bad.yaml", Data: []byte("schema: [\n")}); bad.valid != nil {
		t.Error("a file that cannot be read is taken for a valid one")
	}
}
