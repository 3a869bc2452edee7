#!/usr/bin/env bash
# Somebody new: installs homellm from a checkout and types what the README says, in its order and in an empty folder: it
# writes the first files, and the second run says what moved since the first. Then a real YAML language server opens the
# files that were written, as an editor does. Installs that with npm.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=e2e/npm.sh
. "$here/../npm.sh"
cd "$here/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The README's commands from init on, without those that wait for somebody or for a server.
awk '/^homellm init/ { on = 1 } /^```/ { on = 0 } on' README.md |
	grep -v -e '--watch' -e '--url' -e '^homellm ui' >"$work/readme.sh"
[ "$(grep -c '^homellm apply' "$work/readme.sh")" = 2 ] || { echo "the README does not apply twice"; exit 1; }

GOBIN=$work/bin go install ./cmd/homellm
export PATH=$work/bin:$PATH
begun=$SECONDS
cd "$work"
bash -eux readme.sh 2>said.txt || { cat said.txt; exit 1; }
grep 'since the last run' said.txt || { cat said.txt; echo "nothing is said of the last run"; exit 1; }
[ $((SECONDS - begun)) -lt 300 ] || { echo "it took $((SECONDS - begun)) s"; exit 1; }
homellm validate --strict my-llm/scenarios my-llm/gates.yaml

cp "$here/editor.mjs" "$work/"
packages "$here" "$work"
node "$work/editor.mjs" "$work/my-llm" scenarios/first.yaml gates.yaml
