#!/usr/bin/env bash
# homellm against a real llama-server behind LiteLLM's proxy (from PyPI, 760 MB, kept in .tools/litellm), behind nginx
# (from Debian) and behind proxies of the tests, and against Ollama (built from its source) with the same model. What
# cannot be installed is skipped with the reason; with CI=true it fails. HOMELLM_E2E_FURTHER=1 plays further set-ups.
set -euo pipefail
# shellcheck source=e2e/engines/install.sh
. "$(dirname "$0")/install.sh"
cd "$here/../.."
llama "$(realpath -m .tools/llama-server)"
ollama "$(realpath -m .tools)"
work=$(realpath -m .tools/litellm)
venv "$work" "$here/litellm/requirements.txt"
if ! command -v nginx >/dev/null; then
	sudo=$([ "$(id -u)" = 0 ] || echo sudo)
	{ $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends nginx-light; } \
		>/dev/null || skip "nginx cannot be installed (Debian: apt-get install nginx-light)"
fi
echo "installed after ${SECONDS}s"
HOMELLM_E2E_LITELLM=$work/bin/litellm HOMELLM_E2E_NGINX=$(command -v nginx) \
	go test -tags e2e -count=1 -timeout 40m -v -run '^Test(Gateway|UnknownServer|Ollama_Small)' ./e2e
echo "done after ${SECONDS}s"
