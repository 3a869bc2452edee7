#!/usr/bin/env bash
# The HTML report in a real browser. Plays a scenario on the embedded simulator, renders the run, three comparisons, a
# failing run and a run of 10,000 turns, and lets look.mjs open each of them; ui.mjs uses homellm ui. Screenshots are left in
# $1 (default: a temporary folder). Installs what it needs: chromium with apt, playwright-core with npm.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=e2e/npm.sh
. "$here/../npm.sh"
cd "$here/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$(realpath -m "${1:-$work/screenshots}")

chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
if [ -z "$chromium" ]; then
	sudo=$([ "$(id -u)" = 0 ] || echo sudo)
	$sudo apt-get update -qq
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends chromium >/dev/null
	chromium=$(command -v chromium)
fi
cp "$here/look.mjs" "$here/ui.mjs" "$work/"
packages "$here" "$work"

go build -o "$work/homellm" ./cmd/homellm
"$work/homellm" apply rag-long --quiet --repeats 3 --out "$work/run" >/dev/null
cp "$work/run/report.html" "$work/run.html"
example=docs/examples/ci
"$work/homellm" apply "$example/scenarios" --server sim --quiet --out "$work/good" >/dev/null
"$work/homellm" apply "$example/scenarios" --server sim --servers "$example/regressed.yaml" --quiet --out "$work/bad" >/dev/null || [ $? = 1 ]
"$work/homellm" results diff "$work/good" "$work/bad" --html >"$work/comparison.html"
"$work/homellm" compare "$work/good" "$work/bad" --gates "$example/gates-gpu.yaml" --format html >"$work/gates.html" || [ $? = 1 ]
"$work/homellm" compare "$example/baselines/simulator/handbook/sim--qwen2.5-3b.json" "$work/bad" --gates "$example/gates.yaml" --format html >"$work/baseline.html" || [ $? = 1 ]
for name in failing matrix; do
	"$work/homellm" results show "engine/report/testdata/$name.jsonl" --format html >"$work/$name.html"
done
HOMELLM_LONG_PAGE="$work/long.html" go test ./engine/report -count=1 -run '^TestHTML_WritesTheLongPage$' >/dev/null
[ -s "$work/long.html" ] || { echo "the page of 10,000 turns was not written"; exit 1; }

(
	cd "$work"
	mkdir ui && cd ui
	for words in 3 4; do
		../homellm apply quickstart --quiet --repeats 1 --out "results/quick-$words" >/dev/null 2>&1
	done
	../homellm apply rag-long --quiet --repeats 1 --out results/long >/dev/null 2>&1
	../homellm ui >address 2>/dev/null &
	serving=$!
	../homellm apply rag-long --quiet --repeats 3 --out results/live >/dev/null 2>&1 &
	playing=$!
	trap 'kill "$serving" "$playing" 2>/dev/null || true' EXIT
	while ! [ -s address ]; do sleep 0.1; done
	cd ..
	node ui.mjs "$chromium" "$(cat ui/address)" "$out" live
)
for name in run comparison gates baseline failing matrix long; do
	size=$(stat -c %s "$work/$name.html")
	[ "$size" -lt 10000000 ] || { echo "$name.html has $size bytes"; exit 1; }
	node "$work/look.mjs" "$chromium" "$work/$name.html" "$out"
done
[ -z "${1:-}" ] || echo "screenshots: $out"
