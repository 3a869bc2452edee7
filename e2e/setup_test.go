//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"homellm/engine/host"
	"homellm/engine/server"
)

// tinyModel is the name under which the tiny model is created, and tinyNumCtx its context.
const (
	tinyModel  = "tiny"
	tinyNumCtx = 4096
)

// tinyTemplate is a chat template in which every message keeps its place, so that a longer
// conversation begins with the text of the shorter one.
const tinyTemplate = `{{ range .Messages }}<s>{{ .Role }}: {{ .Content }}</s>{{ end }}assistant: `

// findOllama finds the program, or ends the test: in CI it has to be there.
func findOllama(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("HOMELLM_E2E_OLLAMA"); path != "" {
		return path
	}
	if path, err := exec.LookPath("ollama"); err == nil {
		return path
	}
	folders := []string{os.Getenv("GOBIN")}
	for _, gopath := range filepath.SplitList(os.Getenv("GOPATH")) {
		folders = append(folders, filepath.Join(gopath, "bin"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		folders = append(folders, filepath.Join(home, "go", "bin"))
	}
	for _, folder := range folders {
		path := filepath.Join(folder, "ollama")
		if _, err := os.Stat(path); folder != "" && err == nil {
			return path
		}
	}
	const missing = "Ollama is not installed: go install github.com/ollama/ollama@v0.6.5"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// ollamaSpec is an Ollama on a free port with its own folder.
func ollamaSpec(t *testing.T) (spec host.Spec, address string) {
	t.Helper()
	program := findOllama(t)
	port, err := host.FreePort(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	dir, listen := t.TempDir(), fmt.Sprintf("127.0.0.1:%d", port)
	address = "http://" + listen
	return host.Spec{
		Name: "ollama", Argv: []string{program, "serve"}, Log: filepath.Join(t.ArtifactDir(), "ollama.log"), Address: listen,
		StateDir: filepath.Join(dir, "state"), Timeout: time.Minute, Interval: 20 * time.Millisecond, Grace: 10 * time.Second,
		Env: []string{
			"OLLAMA_HOST=" + listen, "OLLAMA_MODELS=" + filepath.Join(dir, "models"), "HOME=" + dir,
			"OLLAMA_KEEP_ALIVE=-1", "OLLAMA_NUM_PARALLEL=1", "OLLAMA_MAX_LOADED_MODELS=1", "OLLAMA_NOHISTORY=1",
		},
		Ready: func(ctx context.Context) error {
			found, err := server.Probe(ctx, address, nil)
			if err != nil {
				return err
			}
			if found.State != server.Ready || found.Engine != "ollama" {
				return fmt.Errorf("%s: %s", found.State, found.Detail)
			}
			return nil
		},
	}, address
}

// startOllama starts an Ollama that serves the tiny model. It is stopped when the test ends, and
// the test fails if anything of it is left.
func startOllama(t *testing.T) (p *host.Proc, address string) {
	t.Helper()
	spec, address := ollamaSpec(t)
	p, err := host.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		if pids := p.PIDs(); len(pids) > 0 {
			t.Errorf("these processes are left: %v", pids)
		}
		if t.Failed() {
			log, err := os.ReadFile(spec.Log)
			t.Logf("%s, %v", log[max(0, len(log)-8000):], err)
		}
	})
	if err := createTiny(t.Context(), address, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	return p, address
}

// createTiny writes the tiny model and has an Ollama take it in.
func createTiny(ctx context.Context, address, dir string) error {
	path := filepath.Join(dir, "tiny.gguf")
	if err := writeTinyGGUF(path, 1); err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	if _, err := send(ctx, address+"/api/blobs/"+digest, "application/octet-stream", data); err != nil {
		return fmt.Errorf("uploading the tiny model: %w", err)
	}
	request, err := json.Marshal(map[string]any{
		"model": tinyModel, "files": map[string]string{"tiny.gguf": digest}, "template": tinyTemplate,
		"parameters": map[string]any{"num_ctx": tinyNumCtx}, "stream": false,
	})
	if err != nil {
		return err
	}
	if _, err := send(ctx, address+"/api/create", "application/json", request); err != nil {
		return fmt.Errorf("creating the tiny model: %w", err)
	}
	return nil
}

// send posts a body and returns the reply's.
func send(ctx context.Context, address, kind string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		return nil, fmt.Errorf("HTTP %d: %s", response.StatusCode, data)
	}
	return data, nil
}
