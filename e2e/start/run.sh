#!/usr/bin/env bash
# Somebody new: installs homellm from a checkout, lets it write the first files, applies twice and sees what moved since
# the last run. Then a real YAML language server opens the files that were written, as an editor does. Installs that with npm.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=e2e/npm.sh
. "$here/../npm.sh"
cd "$here/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

GOBIN=$work/bin go install ./cmd/homellm
export PATH=$work/bin:$PATH
begun=$SECONDS
cd "$work"
homellm init new
cd new
homellm validate --strict scenarios gates.yaml
homellm apply scenarios/first.yaml --server sim 2>first.txt || { cat first.txt; exit 1; }
homellm apply scenarios/first.yaml --server sim 2>second.txt || { cat second.txt; exit 1; }
grep 'since the last run' second.txt || { cat second.txt; echo "nothing is said of the last run"; exit 1; }
[ $((SECONDS - begun)) -lt 300 ] || { echo "it took $((SECONDS - begun)) s"; exit 1; }

cp "$here/editor.mjs" "$work/"
packages "$here" "$work"
node "$work/editor.mjs" "$work/new" scenarios/first.yaml gates.yaml
