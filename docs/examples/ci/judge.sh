#!/usr/bin/env bash
# Plays the scenarios and, with gates, compares each run with its baseline. Writes the exit code to $GITHUB_OUTPUT and
# ends with 0, so that the steps behind it can upload and comment first. Everything comes in by environment:
# HOMELLM (the program), SCENARIO and ARGS (one a line), URL, GATES, REQUIRE_BASELINE, RESULTS.
set -uo pipefail

homellm=${HOMELLM:-homellm}
results=${RESULTS:-homellm-results}
rm -rf "$results/annotations"
mkdir -p "$results/annotations"

lines() { # the lines of $1 that are not empty, as array $2
	mapfile -t "$2" < <(printf '%s\n' "$1" | sed 's/\r$//; s/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d')
}
scenarios=() args=()
lines "${SCENARIO:?name a scenario}" scenarios
lines "${ARGS:-}" args
[ -z "${URL:-}" ] || args+=("--url=$URL")

gravest() { # the one of two exit codes that hides the other; the order of docs/cli.md
	for code in 70 130 143 129 3 2 5 6 1 4; do
		if [ "$1" = "$code" ] || [ "$2" = "$code" ]; then echo "$code"; return; fi
	done
	if [ "$1" = 0 ] && [ "$2" = 0 ]; then echo 0; else echo 70; fi
}

# Annotations are collected: GitHub shows ten of a severity and step, and these are several programs in one step.
"$homellm" apply "${args[@]}" --out "$results/runs" --annotations off --report "github=$results/annotations/apply.txt" \
	--report "junit=$results/junit.xml" --report "markdown=$results/report.md" -- "${scenarios[@]}"
worst=$?

if [ -n "${GATES:-}" ] && { [ "$worst" = 0 ] || [ "$worst" = 1 ] || [ "$worst" = 4 ]; }; then
	require=()
	[ "${REQUIRE_BASELINE:-false}" != true ] || require=(--require-baseline)
	n=0
	for journal in "$results"/runs/journal.jsonl "$results"/runs/*/journal.jsonl; do
		[ -f "$journal" ] || continue
		n=$((n + 1))
		"$homellm" compare "$(dirname "$journal")" --gates "$GATES" "${require[@]}" --annotations off --report "github=$results/annotations/compare-$n.txt" \
			--report "markdown=$results/compare-$n.md" --report "html=$results/compare-$n.html"
		worst=$(gravest "$worst" "$?")
	done
fi

# One comment of whole reports, the comparisons first; GitHub takes 65,536 characters.
case $worst in
	0) verdict=PASS ;;
	1) verdict=FAIL ;;
	4) verdict=INCONCLUSIVE ;;
	*) verdict=ERROR ;;
esac
comment=$results/comment.md
printf '# homellm: %s (exit code %s)\n\n' "$verdict" "$worst" >"$comment"
left=0
for report in "$results"/compare-*.md "$results"/report*.md; do
	[ -f "$report" ] || continue
	if [ "$(cat "$comment" "$report" | wc -c)" -gt 65000 ]; then left=$((left + 1)); continue; fi
	cat "$report" >>"$comment"
	echo >>"$comment"
done
[ "$left" = 0 ] || echo "$left more reports are in the artifact." >>"$comment"

if [ "${GITHUB_ACTIONS:-}" = true ]; then
	for severity in error warning notice; do
		mapfile -t all < <(cat "$results"/annotations/*.txt 2>/dev/null | grep "^::$severity")
		shown=${#all[@]}
		[ "$shown" -le 10 ] || shown=9
		[ "$shown" = 0 ] || printf '%s\n' "${all[@]:0:shown}"
		[ "$shown" = "${#all[@]}" ] || echo "::$severity::and more, see the summary"
	done
	[ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$comment" >>"$GITHUB_STEP_SUMMARY"
fi

echo "homellm: exit code $worst"
if [ -n "${GITHUB_OUTPUT:-}" ]; then
	echo "exit-code=$worst" >>"$GITHUB_OUTPUT"
	exit 0
fi
exit "$worst"
