//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

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
	simulated, err := sim.New(sim.Config{Speed: 50, ServedNames: []string{"qwen2.5-3b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer simulated.Close()
	var got atomic.Int64
	for name, refuse := range map[string]bool{"accepted": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				key := r.Header.Get("Authorization")
				if strings.Contains(key, planted) {
					got.Add(1)
				}
				if refuse && strings.HasSuffix(r.URL.Path, "completions") {
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(http.StatusUnauthorized)
					_, _ = fmt.Fprintf(w, `{"error":{"message":"Incorrect API key provided: %s","type":"invalid_request_error","code":401}}`, key)
					return
				}
				simulated.ServeHTTP(w, r)
			}))
			defer hs.Close()
			for _, source := range []string{"env: HOSTILE_KEY", "file: key.txt"} {
				p := newProgram(t, map[string]string{"plan.yaml": crashPlan, "servers.yaml": keyed(hs.URL, source), "key.txt": planted + "\n"})
				p.env = append(p.env, "HOSTILE_KEY="+planted, "HOMELLM_DEBUG=1")
				before := got.Load()
				_, stdout, stderr := p.run("apply", "plan.yaml", "--servers", "servers.yaml", "--server", "keyed", "--model", "qwen2.5-3b", "--out", "run", "--keep-raw")
				if got.Load() == before {
					t.Fatalf("the key never reached the server: the test sees nothing\n%s", stderr)
				}
				nowhere(t, planted, p.dir, "key.txt")
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

// Results name neither the machine nor its user.
func TestResults_NameNobody(t *testing.T) {
	_, url := startSimulator(t, sim.Config{})
	p := newProgram(t, map[string]string{"homellm-home/plan.yaml": crashPlan})
	home := filepath.Join(p.dir, "homellm-home")
	p.env = append(p.env, "HOME="+home, "USER=planteduser", "LOGNAME=planteduser")
	if code, _, stderr := p.run("apply", filepath.Join(home, "plan.yaml"), "--url", url, "--out", "run"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	words := []string{home, "planteduser"}
	if host, err := os.Hostname(); err == nil && len(host) > 3 { // a shorter one is part of other words
		words = append(words, host)
	}
	for _, w := range words {
		nowhere(t, w, filepath.Join(p.dir, "run"))
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

// Proxy variables are ignored, what it listens on is loopback, and a redirect to another host is
// refused with the key withheld.
func TestNetworkManners(t *testing.T) {
	var proxied, elsewhere, leaked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		proxied.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		if strings.Contains(fmt.Sprint(r.Header)+r.URL.String(), planted) {
			leaked.Add(1)
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer other.Close()
	simulated, err := sim.New(sim.Config{Speed: 50, ServedNames: []string{"qwen2.5-3b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer simulated.Close()
	for name, redirect := range map[string]bool{"direct": false, "redirected": true} {
		t.Run(name, func(t *testing.T) {
			hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if redirect && r.Method == http.MethodPost {
					http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
					return
				}
				simulated.ServeHTTP(w, r)
			}))
			defer hs.Close()
			p := newProgram(t, map[string]string{"plan.yaml": crashPlan, "servers.yaml": keyed(hs.URL, "env: HOSTILE_KEY")})
			for _, v := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
				p.env = append(p.env, v+"="+proxy.URL)
			}
			p.env = append(p.env, "HOSTILE_KEY="+planted, "NO_PROXY=", "no_proxy=")
			code, stdout, stderr := p.run("apply", "plan.yaml", "--servers", "servers.yaml", "--server", "keyed", "--model", "qwen2.5-3b", "--out", "run")
			if want := map[bool]int{false: 0, true: exitEnvironment}[redirect]; code != want {
				t.Errorf("exit code %d, want %d\n%s", code, want, stderr)
			}
			if redirect && !strings.Contains(stdout+stderr, "redirect") {
				t.Errorf("the redirect is not told of:\n%s%s", stdout, stderr)
			}
		})
	}
	if proxied.Load() > 0 || elsewhere.Load() > 0 || leaked.Load() > 0 {
		t.Errorf("%d requests went through a proxy, %d followed a redirect, %d of them with the key", proxied.Load(), elsewhere.Load(), leaked.Load())
	}
}

// A servers file beside a scenario is not read; one that the user names is.
func TestServersFile_OnlyFromTheUsersOwnPlaces(t *testing.T) {
	evil := "schema: homellm.servers/v1\nservers:\n  sim:\n    engine: openai\n    launch: {command: [touch, owned]}\n    port: 0\n"
	p := newProgram(t, map[string]string{"plan.yaml": crashPlan, "servers.yaml": evil, "models.yaml": "not: a models file"})
	if code, _, stderr := p.run("plan", "plan.yaml"); code != 0 {
		t.Errorf("exit code %d: a file beside the scenario was read\n%s", code, stderr)
	}
	if code, _, stderr := p.run("plan", "plan.yaml", "--models", "models.yaml"); code != exitInvalid {
		t.Errorf("exit code %d: the named file was not read\n%s", code, stderr)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "owned")); err == nil {
		t.Error("a program was started")
	}
}
