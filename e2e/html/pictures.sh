#!/usr/bin/env bash
# Makes the pictures that the README shows anew, of runs on the embedded simulator, into docs/pictures. Needs chromium and node.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=e2e/npm.sh
. "$here/../npm.sh"
cd "$here/../.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/pictures.mjs" "$work/"
packages "$here" "$work"
go build -o "$work/homellm" ./cmd/homellm
awk '/^```yaml/ { on = 1; next } /^```/ { if (on) exit } on' README.md >"$work/pump.yaml"
mkdir -p docs/pictures
cd "$work"
./homellm apply quickstart --server sim --quiet --out run >/dev/null
# A terminal of 100 columns that nothing else writes to.
script -qec 'stty cols 100; ./homellm apply pump.yaml --server sim --quiet' /dev/null >terminal.txt
node pictures.mjs "${CHROMIUM:-$(command -v chromium)}" run/report.html terminal.txt "$root/docs/pictures"
