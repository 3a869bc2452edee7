#!/usr/bin/env bash
# Plays the scenarios and, with gates, compares each run with its baseline. Writes the exit code to $GITHUB_OUTPUT and
# ends with 0, so that the steps behind it can upload and comment first. Everything comes in by environment:
# HOMELLM (the program), SCENARIO, URL, ARGS (one a line), GATES, REQUIRE_BASELINE, RESULTS.
set -uo pipefail

homellm=${HOMELLM:-homellm}
results=${RESULTS:-homellm-results}
mkdir -p "$results"
: >"$results/comment.md"

lines() { # the lines of $1 that are not empty, as array $2
	mapfile -t "$2" < <(printf '%s\n' "$1" | sed 's/\r$//; s/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d')
}
lines "${SCENARIO:?name a scenario}" scenarios
lines "${ARGS:-}" args
[ -z "${URL:-}" ] || args+=("--url=$URL")

gravest() { # the one of two exit codes that hides the other; the order of docs/cli.md
	for code in 70 130 143 129 3 2 5 6 1 4; do
		if [ "$1" = "$code" ] || [ "$2" = "$code" ]; then echo "$code"; return; fi
	done
	if [ "$1" = 0 ] && [ "$2" = 0 ]; then echo 0; else echo 70; fi
}

worst=0
n=0
for scenario in "${scenarios[@]}"; do
	n=$((n + 1))
	run=$results/$n
	"$homellm" apply "${args[@]}" --out "$run" --report "junit=$results/junit-$n.xml" -- "$scenario"
	code=$?
	worst=$(gravest "$worst" "$code")
	find "$run" -name report.md -exec cat {} + >>"$results/comment.md" 2>/dev/null
	if [ -n "${GATES:-}" ] && { [ "$code" = 0 ] || [ "$code" = 1 ] || [ "$code" = 4 ]; }; then
		require=()
		[ "${REQUIRE_BASELINE:-false}" != true ] || require=(--require-baseline)
		for journal in "$run"/journal.jsonl "$run"/*/journal.jsonl; do
			[ -f "$journal" ] || continue
			"$homellm" compare "$(dirname "$journal")" --gates "$GATES" "${require[@]}" --format markdown >"$results/compare-$n.md"
			worst=$(gravest "$worst" "$?")
			cat "$results/compare-$n.md" | tee -a "$results/comment.md"
			[ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$results/compare-$n.md" >>"$GITHUB_STEP_SUMMARY"
		done
	fi
done

echo "homellm: exit code $worst"
if [ -n "${GITHUB_OUTPUT:-}" ]; then
	echo "exit-code=$worst" >>"$GITHUB_OUTPUT"
	exit 0
fi
exit "$worst"
