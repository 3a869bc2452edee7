//go:build e2e && unix

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"homellm/engine/host"
)

// TestOllama_Small is rag-small on Ollama with the small model. Its replies report no cached tokens: what was found is
// told by the time to the first token.
func TestOllama_Small(t *testing.T) {
	further(t)
	r := record(t, ollamaWithSmall(t), nil)
	for _, wire := range []string{"native", "openai"} {
		t.Run(wire, func(t *testing.T) {
			name := "its own API"
			if wire == "openai" {
				name = "its OpenAI wire"
			}
			p := build(t)
			p.write(t, "servers.yaml", attached(r.address))
			turns := p.once(t, "--server", wire, "--servers", "servers.yaml", "--model", "smol")
			agree(t, turns, r.last(t, len(turns)))
			p.timesTell(t, r, len(turns))
			p.saw(t, "ollama", seen{SetUp: name, Nightly: true})
			r.golden(t, "ollama-"+wire)
		})
	}
}

// ollamaWithSmall starts an Ollama and has it make the small model from a Modelfile. It computes with one thread: two
// wait for each other by spinning, and starve the client.
func ollamaWithSmall(t *testing.T) (address string) {
	t.Helper()
	model := needs(t, "HOMELLM_E2E_LLAMA_MODEL", "e2e/engines/gateways.sh")
	spec, address := ollamaSpec(t)
	p, err := host.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "Modelfile")
	text := fmt.Sprintf("FROM %s\nPARAMETER num_ctx 4096\nPARAMETER num_thread 1\n", model)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	create := exec.CommandContext(t.Context(), spec.Argv[0], "create", "smol", "-f", file)
	create.Env = append(os.Environ(), spec.Env...)
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return address
}

// plain is a server of OpenAI's API that no table knows: a list of models, and completions whose usage has three
// counts.
func plain(t *testing.T, to string) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/v1/models":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"object":"list","data":[{"id":"small","object":"model","owned_by":"me"}]}`)
		case "/v1/chat/completions":
			complete(t, w, q, to)
		default:
			http.NotFound(w, q)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// complete passes a completion on, without what the API does not ask for.
func complete(t *testing.T, w http.ResponseWriter, q *http.Request, to string) {
	request, err := http.NewRequestWithContext(q.Context(), http.MethodPost, to+q.URL.Path, q.Body)
	if err != nil {
		t.Error(err)
		return
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return
	}
	defer response.Body.Close()
	w.Header().Set("Content-Type", response.Header.Get("Content-Type"))
	w.WriteHeader(response.StatusCode)
	flush := http.NewResponseController(w)
	var rest []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := response.Body.Read(chunk)
		rest = append(rest, chunk[:n]...)
		if i := bytes.LastIndexByte(rest, '\n'); i >= 0 {
			for line := range bytes.Lines(rest[:i+1]) {
				if _, err := w.Write(stripped(line)); err != nil {
					return // the client has ended it
				}
			}
			rest = append([]byte{}, rest[i+1:]...)
			_ = flush.Flush() // the next write says what is wrong
		}
		if err == io.EOF {
			_, _ = w.Write(stripped(rest)) // as above
			return
		}
		if err != nil {
			t.Log(err)
			return
		}
	}
}

// stripped is a line of a reply without times, details of its usage, and the name of the engine.
func stripped(line []byte) []byte {
	prefix, data, event := bytes.Cut(line, []byte("data: "))
	if !event {
		prefix, data = nil, line
	}
	var reply map[string]any
	if len(prefix) > 0 || json.Unmarshal(data, &reply) != nil {
		return line
	}
	delete(reply, "timings")
	delete(reply, "system_fingerprint")
	reply["model"] = "small"
	if usage, ok := reply["usage"].(map[string]any); ok {
		delete(usage, "prompt_tokens_details")
	}
	out, err := json.Marshal(reply)
	if err != nil {
		return line
	}
	if event {
		out = append([]byte("data: "), out...)
	}
	return append(out, '\n')
}

// TestUnknownServer: on a server that no table knows rag-small has a verdict for every assertion, and hit rates by the
// time to the first token.
func TestUnknownServer(t *testing.T) {
	r := record(t, startLlamaServer(t), nil)
	p := build(t)
	turns := p.once(t, "--url", plain(t, r.address))
	accounts := r.last(t, len(turns))
	cached := 0
	for i := range accounts { // the engine tells, and the server in front of it does not
		cached += accounts[i].cached
		accounts[i].told = false
	}
	if cached == 0 {
		t.Error("nothing was cached")
	}
	agree(t, turns, accounts)
	p.timesTell(t, r, len(turns))
	p.saw(t, "openai", seen{SetUp: "a server that tells its models and three counts"})
}

// TestSimulator: rag-small and rag-long on the simulator.
func TestSimulator(t *testing.T) {
	p := build(t)
	p.play(t, "rag-small", "--server", "sim")
	p.judged(t, "usage")
	if code, printed := p.run(t, "apply", "rag-long", "--server", "sim", "--out", "long"); code != 0 {
		t.Errorf("exit code %d\n%s", code, printed)
	}
}

// steady is how much slower than usual an engine may have been in one of its cold prompts, by its own account, for
// times to tell what was cached.
const steady = 1.3

// timesTell skips what is left of a test on a machine that is so busy that times tell nothing: the run says so, or the
// engine's own speed of prefill before the turns shows it.
func (p program) timesTell(t *testing.T, r *recorder, turns int) {
	t.Helper()
	if p.withoutHitRate(t) == "" {
		return
	}
	if slow := notes(p.events(t, "out"), "cold_prompts_short"); len(slow) > 0 {
		t.Skip(slow[0])
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var paces []float64 // ms a token
	for _, a := range r.accounts[:len(r.accounts)-turns] {
		if a.prompt > 400 && a.pace > 0 {
			paces = append(paces, a.pace)
		}
	}
	slices.Sort(paces)
	if len(paces) < 4 {
		t.Fatalf("%d cold prompts were sent", len(paces))
	}
	usual, most := paces[len(paces)/2], paces[len(paces)-1]
	t.Logf("ms for a token of the prompt: %.2f usually, %.2f at most", usual, most)
	if most > steady*usual {
		t.Skip("the machine is too busy for times to tell what was cached")
	}
}
