package target_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"homellm/dsl"
	"homellm/engine/target"
)

// How far the layers of a model look back is read from the file that the server names, else it is that of the model
// that answers, not of the one that the plan names.
func TestWindow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gemma-3-270m.gguf")
	header := "GGUF\x03\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x02\x00\x00\x00\x00\x00\x00\x00" +
		"\x14\x00\x00\x00\x00\x00\x00\x00general.architecture\x08\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00gemma3" +
		"\x1f\x00\x00\x00\x00\x00\x00\x00gemma3.attention.sliding_window\x04\x00\x00\x00\x00\x02\x00\x00"
	if err := os.WriteFile(file, []byte(header), 0o644); err != nil {
		t.Fatal(err)
	}
	lib := &dsl.Library{Models: []*dsl.Model{
		{Name: "gemma-3-4b", Patterns: []string{"*gemma-3-4b*"}, Architecture: &dsl.Architecture{SlidingWindow: 1024}},
		{Name: "smollm2-135m", Patterns: []string{"*smollm2-135m*"}},
	}}
	const listed, written = "sliding_window of gemma-3-4b in the models file",
		"gemma3.attention.sliding_window of gemma-3-270m.gguf"
	flag := func(name string, value any) *dsl.Launch {
		return &dsl.Launch{Flags: []dsl.Flag{{Name: name, Value: value}}}
	}
	for name, c := range map[string]struct {
		id, path string
		engine   string
		launch   *dsl.Launch
		want     int
		source   string
	}{
		"the file":            {id: file, path: file, want: 512, source: written},
		"no such file":        {id: "gemma-3-4b-it.gguf", path: "/none/gemma-3-4b-it.gguf", want: 1024, source: listed},
		"a path of its own":   {id: "gemma-3-4b-it.gguf", path: "gemma-3-4b-it.gguf", want: 1024, source: listed},
		"another model":       {id: "SmolLM2-135M-Instruct.gguf"},
		"an unknown one":      {id: "own.gguf"},
		"it keeps everything": {id: file, path: file, launch: flag("swa_full", true)},
		"told not to":         {id: file, path: file, launch: flag("swa_full", false), want: 512, source: written},
		"in the command":      {id: file, path: file, launch: &dsl.Launch{Command: []string{"llama-server", "--swa-full"}}},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("/v1/models", func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"object":"list","data":[{"id":%q,"owned_by":"llamacpp"}]}`, c.id)
			})
			mux.HandleFunc("/props", func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"build_info":"b1","model_path":%q,"default_generation_settings":{"n_ctx":4096}}`, c.path)
			})
			web := httptest.NewServer(mux)
			defer web.Close()
			cell := &dsl.Cell{ID: "x", Scenario: &dsl.Scenario{}, Server: &dsl.Server{Name: "s", Engine: "llamacpp",
				Address: dsl.Address{Attach: web.URL}, Wire: dsl.Wire{API: "chat"}}}
			opener := target.Opener{Key: func(dsl.Secret) (string, error) { return "", nil },
				Naming: target.Naming{Library: lib}}
			ready, err := opener.Open(t.Context(), cell)
			if err != nil {
				t.Fatal(err)
			}
			defer ready.Shut()
			cell.Server.Launch = c.launch
			if got, source := ready.Window(cell); got != c.want || source != c.source {
				t.Errorf("%d (%s), want %d (%s)", got, source, c.want, c.source)
			}
		})
	}
}
