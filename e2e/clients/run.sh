#!/usr/bin/env bash
# The official npm clients of OpenAI and Anthropic read the simulator: two programs that share no code with it say that
# it speaks their APIs. The packages are kept in $1 (default: .tools/clients).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=e2e/npm.sh
. "$here/../npm.sh"
cd "$here/../.."
work=$(realpath -m "${1:-.tools/clients}")
packages "$here" "$work"
cp "$here/read.mjs" "$work/"
go build -o "$work/homellm" ./cmd/homellm
"$work/homellm" sim --listen 127.0.0.1:0 --speed 50 2>"$work/sim.log" &
sim=$!
trap 'kill $sim' EXIT
for _ in $(seq 100); do
	address=$(grep -oE 'http://[0-9.:]+' "$work/sim.log" || true)
	[ -n "$address" ] && break
	sleep 0.1
done
node "$work/read.mjs" "${address:?the simulator did not start}"
