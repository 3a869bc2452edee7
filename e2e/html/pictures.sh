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
# A terminal of 100 columns that nothing else writes to. On a busy machine replies come bundled: such runs are played again.
busy=yes
for _ in 1 2 3 4 5 6 7 8; do
	rm -rf run results
	./homellm apply quickstart --server sim --quiet --out run >printed.txt
	script -qec 'stty cols 100; ./homellm apply pump.yaml --server sim --quiet' /dev/null >terminal.txt
	grep -q 'several deltas\|^  note ' printed.txt terminal.txt || { busy= && break; }
done
[ -z "$busy" ] || { echo "this machine is too busy: no run of eight was undisturbed"; exit 1; }
node pictures.mjs "${CHROMIUM:-$(command -v chromium)}" run/report.html terminal.txt "$root/docs/pictures"
