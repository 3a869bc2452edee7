//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"homellm/engine/exit"
	"homellm/engine/sim"
)

const planted = "sk-planted-4f9c1d7e8a"

// keyed is a servers file whose profile takes its key from the environment or from a file.
func keyed(url, source string) string {
	return fmt.Sprintf(`schema: homellm.servers/v1
servers:
  keyed:
    engine: openai
    attach: {url: %q, api_key: {%s}}
    capabilities: {usage: true, streaming: true, cache_report: {source: usage, null_means: unknown}}
`, strings.TrimSuffix(url, "/v1"), source)
}

// The key of a server reaches the server and nothing else: no file of the run, no output, no
// error, also where the server refuses it and repeats it in its answer, and where everything
// raw is kept.
func TestPlantedKey_IsNowhere(t *testing.T) {
	long(t)
	t.Parallel()
	simulated, err := sim.New(sim.Config{Speed: 50, ServedNames: []string{"qwen2.5-3b"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(simulated.Close)
	for name, refuse := range map[string]bool{"accepted": false, "refused": true, "repeated": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got, answered atomic.Int64
			hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				key := r.Header.Get("Authorization")
				if strings.Contains(key, planted) {
					got.Add(1)
				}
				// not at once: what is refused before anything is measured is in no file
				if refuse && strings.HasSuffix(r.URL.Path, "completions") && answered.Add(1) > 12 {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(http.StatusUnauthorized)
					_, _ = fmt.Fprintf(
						w,
						`{"error":{"message":"Incorrect API key provided: %s","type":"invalid_request_error","code":401}}`,
						key,
					)
					return
				}
				if name == "repeated" && repeatKey(w, r, strings.TrimPrefix(key, "Bearer ")) {
					return
				}
				simulated.ServeHTTP(w, r)
			}))
			defer hs.Close()
			for _, source := range []string{"env: HOSTILE_KEY", "file: key.txt"} {
				plan := strings.Replace(crashPlan, "{cache: salt, scope: repeat}", "{cache: none, allow_contaminated: true}", 1)
				p := newProgram(t, map[string]string{"plan.yaml": plan, "servers.yaml": keyed(hs.URL, source),
					"key.txt": planted + "\n"})
				p.env = append(p.env, "HOSTILE_KEY="+planted, "HOMELLM_DEBUG=1")
				answered.Store(0)
				before := got.Load()
				_, stdout, stderr := p.run("apply", "plan.yaml", "--servers", "servers.yaml", "--server", "keyed", "--model",
					"qwen2.5-3b", "--out", "run", "--keep-raw")
				if got.Load() == before {
					t.Fatalf("the key never reached the server: the test sees nothing\n%s", stderr)
				}
				nowhere(t, planted, p.dir, "key.txt")
				journal, err := os.ReadFile(filepath.Join(p.dir, "run", "journal.jsonl"))
				if err != nil || !bytes.Contains(journal, []byte(`"kind":"request"`)) {
					t.Errorf("%s: no request was measured: the test sees nothing, %v\n%s", source, err, stdout)
				}
				for _, out := range []string{stdout, stderr} {
					if strings.Contains(out, planted) {
						t.Errorf("%s: the key is printed:\n%.800s", source, out)
					}
				}
				_, stdout, stderr = p.run("report", "run", "--format", "json")
				if strings.Contains(stdout+stderr, planted) {
					t.Errorf("%s: report prints the key", source)
				}
			}
		})
	}
}

// repeatKey answers with the key wherever there is room for text.
func repeatKey(w http.ResponseWriter, r *http.Request, key string) bool {
	w.Header().Set("X-Echo", key)
	switch {
	case strings.HasSuffix(r.URL.Path, "/chat/completions"):
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(
			w,
			`data: {"model":"qwen2.5-3b","choices":[{"index":0,"delta":{"content":"the key is %[1]s","reasoning_content":%[1]q},"finish_reason":%[1]q}]}`+"\n\ndata: [DONE]\n\n",
			key,
		)
	case r.URL.Path == "/version":
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"version":%q}`, key)
	case strings.HasSuffix(r.URL.Path, "/models"):
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"object":"list","data":[{"id":"qwen2.5-3b"},{"id":%[1]q,"owned_by":%[1]q}]}`, key)
	default:
		return false
	}
	return true
}

// Results name neither the machine nor its user.
func TestResults_NameNobody(t *testing.T) {
	t.Parallel()
	_, url := startSimulator(t, sim.Config{})
	p := newProgram(t, map[string]string{"planteduser/plan.yaml": onePlan, "elsewhere/x": ""})
	home := filepath.Join(p.dir, "planteduser")
	p.env = append(p.env, "HOME="+home, "USER=planteduser", "LOGNAME=planteduser")
	root := p.dir
	runs := 0
	for _, of := range []struct{ dir, path string }{
		{".", filepath.Join(home, "plan.yaml")}, {"elsewhere", filepath.Join(home, "plan.yaml")},
		{"elsewhere", "../planteduser/plan.yaml"}, {"planteduser", "plan.yaml"}, {"planteduser", "../planteduser/plan.yaml"},
	} {
		p.dir = filepath.Join(root, of.dir)
		if code, _, stderr := p.run("apply", of.path, "--url", url, "--out", filepath.Join(root, "runs",
			fmt.Sprint(runs))); code != 0 {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
		runs++
	}
	words := []string{home, "planteduser"}
	if host, err := os.Hostname(); err == nil && len(host) > 3 { // a shorter one is part of other words
		words = append(words, host)
	}
	for _, w := range words {
		nowhere(t, w, filepath.Join(root, "runs"))
	}
}

// nowhere looks for a word in every file below a folder.
func nowhere(t *testing.T, word, dir string, but ...string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, b := range but {
			if d.Name() == b {
				return nil
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if at := strings.Index(string(data), word); at >= 0 {
			t.Errorf("%s holds %q: …%.120q", path, word, data[max(0, at-60):min(len(data), at+60)])
		}
		return nil
	})
	if err != nil || files < 4 {
		t.Fatalf("%d files looked at below %s: %v", files, dir, err)
	}
}

// Proxy variables are ignored, also for an address that is not loopback, and a redirect to another
// host is refused with the key withheld, whatever was asked for.
func TestNetworkManners(t *testing.T) {
	long(t)
	t.Parallel()
	var proxied, elsewhere, redirected atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		proxied.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}))
	defer other.Close()
	simulated, err := sim.New(sim.Config{Speed: 50, ServedNames: []string{"qwen2.5-3b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer simulated.Close()
	for name, redirect := range map[string]func(r *http.Request) bool{
		"none":  func(*http.Request) bool { return false },
		"posts": func(r *http.Request) bool { return r.Method == http.MethodPost },
		"gets":  func(r *http.Request) bool { return r.Method == http.MethodGet && r.URL.Path != "/v1/models" },
		"all":   func(*http.Request) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if redirect(r) {
					redirected.Add(1)
					http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
					return
				}
				simulated.ServeHTTP(w, r)
			}))
			defer hs.Close()
			// Proxies are never used for loopback addresses. This address is not one, but leads here too.
			address := strings.Replace(hs.URL, "127.0.0.1", "0.0.0.0", 1)
			p := newProgram(t, map[string]string{"plan.yaml": crashPlan, "servers.yaml": keyed(address, "env: HOSTILE_KEY")})
			for _, v := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
				p.env = append(p.env, v+"="+proxy.URL)
			}
			p.env = append(p.env, "HOSTILE_KEY="+planted, "NO_PROXY=", "no_proxy=")
			code, stdout, stderr := p.run("apply", "plan.yaml", "--servers", "servers.yaml", "--server", "keyed", "--model",
				"qwen2.5-3b", "--out", "run")
			if want := map[string]int{"posts": exit.Environment, "all": exit.Environment}[name]; code != want {
				t.Errorf("exit code %d, want %d\n%s", code, want, stderr)
			}
			if name == "posts" && !strings.Contains(stdout+stderr, "redirect") {
				t.Errorf("the redirect is not told of:\n%s%s", stdout, stderr)
			}
			p.run("doctor", "--servers", "servers.yaml", "--url", address)
		})
	}
	if redirected.Load() == 0 {
		t.Error("nothing was redirected: the test sees nothing")
	}
	if proxied.Load() > 0 || elsewhere.Load() > 0 {
		t.Errorf("%d requests went through a proxy, %d followed a redirect", proxied.Load(), elsewhere.Load())
	}
}

// A certificate that no authority signed is refused, and nothing is sent over its connection.
func TestTLS_IsVerified(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	hs := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}))
	hs.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // handshakes fail, as they should
	hs.StartTLS()
	defer hs.Close()
	p := newProgram(t, map[string]string{"plan.yaml": crashPlan, "servers.yaml": keyed(hs.URL, "env: HOSTILE_KEY")})
	p.env = append(p.env, "HOSTILE_KEY="+planted)
	for _, args := range [][]string{
		{"apply", "plan.yaml", "--servers", "servers.yaml", "--server", "keyed", "--model", "qwen2.5-3b", "--out", "run"},
		{"apply", "plan.yaml", "--url", hs.URL, "--model", "qwen2.5-3b", "--out", "run2"},
	} {
		if code, stdout, stderr := p.run(args...); code != exit.Environment ||
			!strings.Contains(stdout+stderr, "certificate") {
			t.Errorf("%v: exit code %d, and it does not say why\n%s%s", args, code, stdout, stderr)
		}
	}
	if asked.Load() > 0 {
		t.Errorf("%d requests were sent", asked.Load())
	}
}

// Keys in addresses are refused before anything is kept, and not repeated.
func TestKeyInAddress(t *testing.T) {
	t.Parallel()
	_, url := startSimulator(t, sim.Config{})
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/v1")
	p := newProgram(t, map[string]string{"plan.yaml": crashPlan})
	for _, address := range []string{
		"http://user:" + planted + "@" + host, planted + "@" + host, url + "?api_key=" + planted, url + "#" + planted,
		"http://" + host + "/%zz" + planted,
	} {
		servers := fmt.Sprintf("schema: homellm.servers/v1\nservers:\n  keyed: {engine: openai, attach: {url: %q}}\n",
			address)
		if err := os.WriteFile(filepath.Join(p.dir, "servers.yaml"), []byte(servers), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"apply", "plan.yaml", "--url", address, "--out", "run"}, {"doctor", "--url", address},
			{"apply", "plan.yaml", "--servers", "servers.yaml", "--server", "keyed", "--out", "run"},
			{"servers", "--servers", "servers.yaml"},
		} {
			code, stdout, stderr := p.run(args...)
			if code == 0 {
				t.Errorf("%v: exit code 0", args)
			}
			if strings.Contains(stdout+stderr, planted) {
				t.Errorf("%v prints the key:\n%.600s%.600s", args, stdout, stderr)
			}
		}
		if _, err := os.Stat(filepath.Join(p.dir, "run")); err == nil {
			t.Fatalf("%s: something was kept", address)
		}
	}
}

// A servers file beside a scenario is not read; one that the user names is.
func TestServersFile_OnlyFromTheUsersOwnPlaces(t *testing.T) {
	t.Parallel()
	evil := "schema: homellm.servers/v1\nservers:\n  sim:\n    engine: openai\n    launch: {command: [touch, owned]}\n  " +
		"  port: 0\n"
	p := newProgram(t, map[string]string{"plan.yaml": crashPlan, "servers.yaml": evil,
		"models.yaml": "not: a models file"})
	if code, _, stderr := p.run("plan", "plan.yaml"); code != 0 {
		t.Errorf("exit code %d: a file beside the scenario was read\n%s", code, stderr)
	}
	if code, _, stderr := p.run("plan", "plan.yaml", "--models", "models.yaml"); code != exit.Invalid {
		t.Errorf("exit code %d: the named file was not read\n%s", code, stderr)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "owned")); err == nil {
		t.Error("a program was started")
	}
}
