package engines

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The flags of the shipped profiles, as a profile may also write them from older habits.
var profiles = []struct {
	name, engine string
	flags        []Flag
	versions     []string
}{
	{"phi3-debug", "vllm", []Flag{
		{"host", "127.0.0.1"}, {"port", 8001}, {"served_model_name", "phi3"}, {"revision", nil}, {"max_model_len", 8192},
		{"generation_config", "vllm"},
		{"enable_prefix_caching", true}, {"enable_prompt_tokens_details", true}, {"disable_uvicorn_access_log", true},
		{"gpu_memory_utilization", 0.5}, {"max_num_seqs", 1}, {"max_num_batched_tokens", 8192}, {"enforce_eager", true},
		{"enable_log_requests", true}, {"disable_sliding_window", true},
	}, []string{"0.6.0", "0.6.6", "0.8.5", "0.10.1", "0.11.0", "0.17.0", "0.27.1", ""}},
	{"phi3-production", "vllm", []Flag{
		{"generation_config", "vllm"}, {"enable_prompt_tokens_details", true}, {"disable_uvicorn_access_log", true},
		{"enable_log_requests", false}, {"disable_sliding_window", true},
	}, []string{"0.6.0", "0.7.3", "0.8.1", "0.8.5", "0.10.0", "0.10.1", "0.27.1", ""}},
	{"old-habits", "vllm", []Flag{
		{"disable_log_requests", true}, {"disable_log_stats", true}, {"swap_space", 4}, {"enable_prefix_caching", false},
		{"enable_chunked_prefill", false},
		{"enforce_eager", false}, {"api_key", []any{"a", "b"}}, {"override_generation_config",
			map[string]any{"temperature": 0.0}}, {"max_model_len", 100000.0},
	}, []string{"0.7.3", "0.10.2", "0.11.0", "0.17.0.dev3+gabc", "0.27.1"}},
	{"llamacpp", "llamacpp", []Flag{
		{"model", "m.gguf"}, {"alias", "m"}, {"host", "127.0.0.1"}, {"port", 8080}, {"ctx_size", 16384}, {"parallel", 1},
		{"ngl", 99},
		{"flash_attn", true}, {"cache_ram", 0}, {"fit", "off"}, {"no_ui", true}, {"jinja", true}, {"metrics", true},
		{"slots", true}, {"c", 16384}, {"lora", []string{"a", "b"}},
	}, []string{"b6000", "b6400-abcdef", "b7000", "b10488"}},
	{"sglang", "sglang", []Flag{
		{"model_path", "Qwen/Qwen2.5-3B-Instruct"}, {"host", "127.0.0.1"}, {"port", 30000}, {"context_length", 8192},
		{"mem_fraction_static", 0.85},
		{"max_running_requests", 1}, {"sampling_defaults", "openai"}, {"enable_cache_report", true}, {"enable_metrics", true},
		{"disable_radix_cache", false}, {"cuda_graph_bs", []any{1, 2}},
	}, []string{"0.5.9"}},
	{"sim", "sim", []Flag{{"port", 8000}, {"gpu", "RTX 4090"}, {"seed", 1}}, []string{""}},
}

func TestRender_Goldens(t *testing.T) {
	for _, p := range profiles {
		var out strings.Builder
		for _, version := range p.versions {
			argv, notes := renderOf(p.engine, p.flags, Binary{Version: version})
			out.WriteString("version " + version + "\n")
			for _, a := range argv {
				out.WriteString("  " + a + "\n")
			}
			for _, n := range notes {
				out.WriteString("  ! " + n + "\n")
			}
		}
		path := filepath.Join("testdata", "argv-"+p.name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", p.name, diff)
		}
	}
}

// Whatever a profile says and whatever is installed, nothing may empty /metrics, and no version
// may get the flag that it refuses.
func TestRender_Never(t *testing.T) {
	for _, version := range []string{"", "0.6.0", "0.10.1", "0.11.0", "0.16.9", "0.17.0", "0.27.1", "1.0.0", "nightly"} {
		for _, flags := range [][]Flag{{{"disable_log_stats", true}}, {{"disable-log-stats", "true"}},
			{{"--disable-log-stats", true}}} {
			if argv, notes := renderOf("vllm", flags, Binary{Version: version}); len(argv) != 0 || len(notes) != 1 {
				t.Errorf("%s: %v %v", version, argv, notes)
			}
		}
		argv, _ := renderOf("vllm", []Flag{{"disable_log_requests", true}}, Binary{Version: version})
		if refuses := (Binary{Version: version}).atLeast(0, 17); refuses && len(argv) > 0 {
			t.Errorf("%q gets %v", version, argv)
		}
	}
}

func TestRender_Help(t *testing.T) {
	help := "usage:\n-m,    --model FNAME   model path\n-c,    --ctx-size N    size\n--flash-attn [on|off|auto]  " +
		"(default)\n--port PORT\n--no-webui\n"
	argv, notes := renderOf("llamacpp", []Flag{{"model", "m"}, {"ctx", 5}, {"flash_attn", "auto"}, {"fit", "off"},
		{"no_ui", true}, {"metrics", true}, {"c", 9}}, Binary{Version: "b1", Help: help})
	want := []string{"--model", "m", "--flash-attn", "auto", "--no-webui", "-c", "9"}
	if diff := cmp.Diff(want, argv); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text := strings.Join(notes, "\n"); len(notes) != 3 || !strings.Contains(text, "ctx: left out, because the help") ||
		!strings.Contains(text, "does not have --metrics") {
		t.Errorf("notes %q", notes)
	}
}

func TestBinary_Numbers(t *testing.T) {
	for version, want := range map[string][]int{
		"0.11.0": {0, 11, 0}, "v0.9": {0, 9}, "b6400-abcdef": {6400}, "0.17.0rc2.dev3+g12": {0, 17, 0}, "": nil,
		"nightly": nil,
	} {
		if diff := cmp.Diff(want, (Binary{Version: version}).numbers()); diff != "" {
			t.Errorf("%s: %s", version, diff)
		}
	}
}

func renderOf(engine string, flags []Flag, b Binary) (argv, notes []string) {
	e := Of(engine)
	return e.Launch.Flags.Render(flags, b)
}

// Flags that vLLM 0.32 does not have are left out there or given as it takes them, and a mapping becomes JSON.
func TestRender_Gone(t *testing.T) {
	flags := []Flag{{"disable_frontend_multiprocessing", true}, {"max_seq_len_to_capture", 8192},
		{"rope_scaling", map[string]any{"rope_type": "yarn", "factor": 4.0}},
		{"speculative_config", map[string]any{"method": "ngram", "num_speculative_tokens": 4}}}
	for version, want := range map[string]string{
		"0.10.0": `--disable-frontend-multiprocessing --max-seq-len-to-capture 8192 --rope-scaling ` +
			`{"factor":4,"rope_type":"yarn"} --speculative-config {"method":"ngram","num_speculative_tokens":4}`,
		"0.32.0": `--hf-overrides {"rope_scaling":{"factor":4,"rope_type":"yarn"}} --speculative-config ` +
			`{"method":"ngram","num_speculative_tokens":4}`,
	} {
		argv, notes := vllmFlags.Render(flags, Binary{Version: version})
		if got := strings.Join(argv, " "); got != want || (len(notes) == 3) != (version == "0.32.0") {
			t.Errorf("%s: %s\nwant %s\nnotes %q", version, got, want, notes)
		}
	}
	help := "  --speculative-config SPECULATIVE_CONFIG\n  --port PORT\n"
	argv, notes := vllmFlags.Render(flags, Binary{Version: "0.20.0", Help: help})
	if len(argv) != 2 || len(notes) != 3 ||
		!strings.Contains(notes[0], "the help of the installed program does not have") {
		t.Errorf("%q, notes %q", argv, notes)
	}
}
