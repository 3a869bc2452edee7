//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"homellm/engine/exit"
	"homellm/engine/sim"
)

// hidden fails where a key is printed.
func hidden(t *testing.T, key, what string, outs ...string) {
	t.Helper()
	for _, out := range outs {
		if strings.Contains(out, key) {
			t.Errorf("%s: the key is printed:\n%.1000s", what, out)
		}
	}
}

// A key that a server repeats in pieces, each in a separate delta, appears in no file and no output, whole or in
// pieces.
func TestKeyInPieces_IsNowhere(t *testing.T) {
	t.Parallel()
	simulated, err := sim.New(sim.Config{Speed: 50, ServedNames: []string{"qwen2.5-3b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer simulated.Close()
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/chat/completions") {
			simulated.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, piece := range []string{"it is ", planted[:7], planted[7:12], planted[12:], `. \"So\"`} {
			_, _ = fmt.Fprintf(w, `data: {"model":"m","choices":[{"index":0,"delta":{"content":"%s"}}]}`+"\n\n", piece)
		}
		_, _ = fmt.Fprint(
			w,
			`data: {"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n",
		)
	}))
	defer hs.Close()
	p := newProgram(t, map[string]string{"plan.yaml": crashPlan, "servers.yaml": keyed(hs.URL, "env: HOSTILE_KEY")})
	p.env = append(p.env, "HOSTILE_KEY="+planted)
	_, stdout, stderr := p.run(
		"apply",
		"plan.yaml",
		"--servers",
		"servers.yaml",
		"--server",
		"keyed",
		"--model",
		"qwen2.5-3b",
		"--out",
		"run",
		"--keep-raw",
	)
	hidden(t, planted, "apply", stdout, stderr)
	nowhere(t, planted, p.dir, "")
	body, err := os.ReadFile(filepath.Join(p.dir, "run", "worst-turn.body"))
	if err != nil {
		t.Fatal(err)
	}
	text, pieces := "", 0
	for line := range strings.Lines(string(body)) {
		var chunk struct {
			Choices []struct{ Delta struct{ Content string } }
		}
		if data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: "); ok && data != "[DONE]" {
			if err := json.Unmarshal([]byte(data), &chunk); err != nil {
				t.Fatalf("%v: masking broke %s", err, line)
			}
			text += chunk.Choices[0].Delta.Content
			pieces++
		}
	}
	if pieces != 6 || !strings.Contains(text, "*") {
		t.Errorf("%d pieces, text %q: the test sees nothing", pieces, text)
	}
	hidden(t, planted, "the raw body, put together", text)
}

// What a server sends without being asked is in net/http's own log, which goes nowhere.
func TestUnsolicitedResponse_IsNotPrinted(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for in := bufio.NewReader(c); ; {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = fmt.Fprintf(
						c,
						"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\nHTTP/1.1 401 %s\r\n\r\n",
						r.Header.Get("Authorization")+"Bearer "+planted,
					)
				}
			}()
		}
	}()
	files := map[string]string{"plan.yaml": crashPlan,
		"servers.yaml": keyed("http://"+l.Addr().String(), "env: HOSTILE_KEY")}
	var wg sync.WaitGroup
	for _, env := range []string{"HOSTILE_KEY=" + planted, "HOSTILE_KEY=another-planted-key"} { // known or not
		for range 5 { // at the same time, because most of each run is waiting
			p := newProgram(t, files)
			p.env = append(p.env, env)
			wg.Go(func() {
				_, stdout, stderr := p.run("apply", "plan.yaml", "--servers", "servers.yaml", "--server", "keyed", "--model",
					"qwen2.5-3b", "--out", "run")
				hidden(t, planted, "apply", stdout, stderr)
				if strings.Contains(stderr, "Unsolicited") {
					t.Errorf("net/http logs:\n%s", stderr)
				}
			})
		}
	}
	wg.Wait()
}

// A hub that repeats the token in its error does not get it printed.
func TestHubToken_IsNotPrinted(t *testing.T) {
	t.Parallel()
	asked := false
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = asked || r.Header.Get("Authorization") == "Bearer "+planted
		w.Header().Set("X-Error-Message", "no such token: "+planted)
		w.WriteHeader(http.StatusForbidden)
	}))
	defer hub.Close()
	for name, env := range map[string][]string{
		"environment": {"HF_TOKEN=" + planted}, "file": {"HF_TOKEN=", "HF_TOKEN_PATH=token.txt"},
	} {
		p := newProgram(t, map[string]string{"token.txt": planted})
		p.env = append(append(p.env, "HF_ENDPOINT="+hub.URL), env...)
		code, stdout, stderr := p.run("models", "pull", "qwen2.5-3b")
		if code == 0 || !asked {
			t.Errorf("%s: exit code %d, asked with the token: %v\n%s", name, code, asked, stderr)
		}
		if !strings.Contains(stdout+stderr, "no such token: [key]") {
			t.Errorf("%s: the hub's message is not shown:\n%s%s", name, stdout, stderr)
		}
		hidden(t, planted, name, stdout, stderr)
	}
}

// A key that is too short to be masked is refused before anything is sent, and not repeated.
func TestShortKey_IsRefused(t *testing.T) {
	t.Parallel()
	_, url := startSimulator(t, sim.Config{})
	p := newProgram(t, map[string]string{"plan.yaml": crashPlan, "servers.yaml": keyed(url, "env: HOSTILE_KEY")})
	p.env = append(p.env, "HOSTILE_KEY=q7w8e9r")
	code, stdout, stderr := p.run(
		"apply",
		"plan.yaml",
		"--servers",
		"servers.yaml",
		"--server",
		"keyed",
		"--model",
		"qwen2.5-3b",
		"--out",
		"run",
	)
	if code != exit.Environment || !strings.Contains(stdout+stderr, "a key of 7 characters is too short") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	hidden(t, "q7w8e9r", "apply", stdout, stderr)
}

// A key on the command line of a server is in the list of processes: it is refused, and its line is not shown.
func TestKeyOnCommandLine_IsRefused(t *testing.T) {
	t.Parallel()
	const profile = "schema: homellm.servers/v1\nservers:\n  own: {engine: vllm, launch: {command: [%s], flags: {%s}}}\n"
	for _, launch := range [][2]string{
		{"vllm", "api_key: " + planted}, {"vllm", "admin_api_key: [" + planted + "]"},
		{"vllm", "hf_token: " + planted}, {"vllm", "ssl_keyfile_password: " + planted},
		{"vllm, --api-key, " + planted, "max_num_seqs: 1"}, {"vllm, --api-key=" + planted, "max_num_seqs: 1"},
		{"vllm, -hft, " + planted, "max_num_seqs: 1"},
	} {
		p := newProgram(t, map[string]string{"servers.yaml": fmt.Sprintf(profile, launch[0], launch[1])})
		code, stdout, stderr := p.run("serve", "own", "--servers", "servers.yaml", "--dry-run", "--engine-version", "0.10.0")
		if code != exit.Invalid || !strings.Contains(stderr, "links/secret") {
			t.Errorf("%v: exit code %d\n%s", launch, code, stderr)
		}
		hidden(t, planted, launch[0], stdout, stderr)
	}
	p := newProgram(t, map[string]string{"servers.yaml": fmt.Sprintf(profile, "vllm", "api_key_file: key.txt")})
	args := []string{"serve", "own", "--servers", "servers.yaml", "--dry-run", "--engine-version", "0.10.0"}
	if code, _, stderr := p.run(args...); code != 0 {
		t.Errorf("a file: exit code %d\n%s", code, stderr)
	}
}

// Keys in the environment of a profile are masked where its command line is shown.
func TestLaunchEnvironment_IsMasked(t *testing.T) {
	t.Parallel()
	p := newProgram(t, map[string]string{"plan.yaml": crashPlan, "servers.yaml": "schema: homellm.servers/v1\nservers:\n" +
		"  own: {engine: vllm, launch: {command: [vllm], env: {VLLM_API_KEY: " + planted + ", HTTPS_PROXY: \"http://me:" +
		planted + "@proxy:3128\"}, flags: {max_model_len: 100}}}\n"})
	for _, args := range [][]string{
		{"serve", "own", "--servers", "servers.yaml", "--dry-run", "--engine-version", "0.10.0"},
		{"plan", "plan.yaml", "--servers", "servers.yaml", "--server", "own", "--resolved"},
		{"plan", "plan.yaml", "--servers", "servers.yaml", "--server", "own", "--resolved", "--format", "json"},
	} {
		code, stdout, stderr := p.run(args...)
		if code != 0 || !strings.Contains(stdout, "VLLM_API_KEY") || !strings.Contains(stdout, "[key]") {
			t.Errorf("%v: exit code %d\n%s%s", args, code, stdout, stderr)
		}
		hidden(t, planted, args[0], stdout, stderr)
	}
}

// Only the user can read the log of a started server while it is written, and it is kept without its keys.
func TestServerLog_IsMasked(t *testing.T) {
	t.Parallel()
	servers := strings.Replace(slowServers, `'homellm sim`,
		`'printf "key %.5s" $OTHER_TOKEN; sleep 0.05; echo $OTHER_TOKEN | cut -c6-; env; ls -l "$HOME"/cache/homellm/*.log; homellm sim`, 1)
	servers = regexp.MustCompile(`startup_delay: \S+`).ReplaceAllString(servers, "startup_delay: 1ms")
	p := newProgram(t, map[string]string{"crash.yaml": crashPlan, "servers.yaml": servers})
	p.env = append(p.env, "OTHER_TOKEN="+planted, "HTTPS_PROXY=http://me:"+planted+"x@proxy.invalid:3128")
	code, stdout, stderr := p.run("apply", "crash.yaml", "--servers", "servers.yaml", "--server", "slow", "--out", "run")
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	log := filepath.Join(p.dir, "run", "server-slow.log")
	kept, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"key [key]\n", "OTHER_TOKEN=[key]\n", "HTTPS_PROXY=http://[key]@proxy.invalid:3128\n", "-rw------- ",
	} {
		if !strings.Contains(string(kept), want) {
			t.Errorf("the log has no %q", want)
		}
	}
	nowhere(t, planted, p.dir, "")
	if left, _ := filepath.Glob(filepath.Join(p.dir, "cache", "homellm", "*.log")); len(left) > 0 {
		t.Errorf("what it was written to is still there: %v", left)
	}
	err = filepath.WalkDir(filepath.Join(p.dir, "run"), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
