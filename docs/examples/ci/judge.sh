#!/usr/bin/env bash
# Plays the scenarios and, with gates, compares each run with its baseline. Writes the exit code and the results folder
# to $GITHUB_OUTPUT and ends with 0, so that the steps behind it can upload and comment first. By environment come in
# HOMELLM (the program), SCENARIO and ARGS (one a line), URL, SIMULATE, GATES, REQUIRE_BASELINE, BASE and RESULTS.
#
# A pull request may bring any file. So results go to a fresh folder outside of the checkout (RESULTS names one that does
# not exist yet), links are refused, and with BASE, the commit that the pull request wants to change, the files that
# decide about it are read from there: gates, baselines, servers and models.
set -uo pipefail
umask 077
[ "${GITHUB_ACTIONS:-}" != true ] || exec 2>&1 # one stream, so that no line leaves the fence of play

homellm=$(command -v -- "${HOMELLM:-homellm}") || { echo "homellm is not in PATH, and HOMELLM does not name it" && exit 5; }
case $homellm in /*) ;; *) homellm=$PWD/$homellm ;; esac
output=${GITHUB_OUTPUT:-} summary=${GITHUB_STEP_SUMMARY:-} token=${TOKEN:-}
unset GITHUB_OUTPUT GITHUB_ENV GITHUB_PATH GITHUB_STATE GITHUB_STEP_SUMMARY TOKEN # no program of ours writes there

clean() { # an absolute path without . and .., by its text alone
	local path=$1 part parts=() out=()
	case $path in /*) ;; *) path=$PWD/$path ;; esac
	IFS=/ read -r -d '' -a parts < <(printf '%s\0' "$path")
	for part in "${parts[@]}"; do
		case $part in '' | .) ;; ..) [ "${#out[@]}" = 0 ] || unset 'out[-1]' ;; *) out+=("$part") ;; esac
	done
	printf '/%s' "${out[@]}" .
}
named=$(clean "${GITHUB_WORKSPACE:-$PWD}") named=${named%/.}
root=$(cd "$named" && pwd -P) || exit 5
cd "$root" || exit 5

relative() { # sets $full, the absolute path of $1, and $rel, its path in the checkout; empty if it lies elsewhere
	full=$(clean "$1") full=${full%/.}
	case $full/ in
		"$root"/*) rel=${full#"$root"} ;;
		"$named"/*) rel=${full#"$named"} ;;
		*) rel='' && return ;;
	esac
	rel=${rel#/} rel=${rel:-.}
}
linked() { # whether $1, a path in the checkout, is a link or lies behind one
	local path=$1
	while :; do
		[ ! -L "$root/$path" ] || return 0
		case $path in */*) path=${path%/*} ;; *) return 1 ;; esac
	done
}

worst=0 said=()
gravest() { # the one of two exit codes that hides the other; the order of docs/cli.md
	for code in 70 130 143 129 3 2 5 6 1 4; do
		if [ "$1" = "$code" ] || [ "$2" = "$code" ]; then echo "$code"; return; fi
	done
	if [ "$1" = 0 ] && [ "$2" = 0 ]; then echo 0; else echo 70; fi
}
finish() { # the comment of whole reports, the comparisons first; GitHub takes 65,536 characters
	local verdict comment=$results/comment.md left=0 report severity all shown
	case $worst in
		0) verdict=PASS ;;
		1) verdict=FAIL ;;
		4) verdict=INCONCLUSIVE ;;
		*) verdict=ERROR ;;
	esac
	printf '# homellm: %s (exit code %s)\n\n' "$verdict" "$worst" >"$comment"
	[ "${#said[@]}" = 0 ] || printf '%s\n' "${said[@]}" '' >>"$comment"
	for report in "$results"/compare-*.md "$results"/report*.md; do
		if [ ! -f "$report" ] || [ -L "$report" ]; then continue; fi
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
		[ -z "$summary" ] || cat "$comment" >>"$summary"
	fi
	echo "homellm: exit code $worst, results in $results"
	rm -rf "$work"
	[ -n "$output" ] || exit "$worst"
	printf 'exit-code=%s\nresults=%s\n' "$worst" "$results" >>"$output"
	exit 0
}
refuse() { # ends with exit code $1 because of the format $2, whose arguments are quoted
	local code=$1 format=$2
	shift 2
	# shellcheck disable=SC2059 # the formats are ours
	printf -v format "homellm: $format" "$@"
	echo "$format"
	said+=("    $format")
	worst=$code
	finish
}

# The results: a folder that no one else could have prepared.
work=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/homellm-judge-XXXXXXXX") || exit 5
results=${RESULTS:-}
if [ -z "$results" ]; then
	results=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/homellm-results-XXXXXXXX") || exit 5
else
	parent=$(cd "$(dirname -- "$results")" && pwd -P) || exit 5
	results=${parent%/}/$(basename -- "$results")
	mkdir -- "$results" || { echo "homellm: RESULTS is a folder that does not exist yet" && exit 5; }
fi
results=$(cd "$results" && pwd -P) || exit 5
case $results in
	"$root"/*) rmdir "$results" && echo "homellm: RESULTS is a folder outside of the checkout" && exit 2 ;;
	*[[:cntrl:]]*) echo "homellm: RESULTS has control characters in its name" && exit 2 ;;
esac
mkdir "$results/annotations"

lines() { # the lines of $1 that are not empty, as array $2
	mapfile -t "$2" < <(printf '%s\n' "$1" | sed 's/\r$//; s/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d')
}
wanted=() given=() scenarios=() args=()
lines "${SCENARIO:?name a scenario}" wanted
lines "${ARGS:-}" given

# The tree of the base commit. Its links become files that hold where they lead, and are refused below.
base=''
take_base() {
	local store git=(git -c 'safe.directory=*' -c safe.bareRepository=explicit -c core.symlinks=false -c core.hooksPath=/dev/null)
	export GIT_TERMINAL_PROMPT=0 GIT_NO_REPLACE_OBJECTS=1
	[[ $BASE =~ ^[0-9a-f]{40}([0-9a-f]{24})?$ ]] || refuse 2 'BASE is %q, which is no commit' "$BASE"
	store=$("${git[@]}" rev-parse --absolute-git-dir) || refuse 5 'the checkout is no git repository'
	if ! "${git[@]}" --git-dir="$store" cat-file -e "$BASE^{commit}" 2>/dev/null; then # a shallow clone
		local url
		url=$("${git[@]}" --git-dir="$store" remote get-url origin) || refuse 5 'the repository has no origin'
		store=$work/base.git
		"${git[@]}" init -q --bare "$store"
		if [ -n "$token" ]; then # by environment: a command line is for everybody to see
			export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="http.${GITHUB_SERVER_URL:-https://github.com}/.extraheader"
			GIT_CONFIG_VALUE_0="AUTHORIZATION: basic $(printf 'x-access-token:%s' "$token" | base64 | tr -d '\n')"
			export GIT_CONFIG_VALUE_0
		fi
		"${git[@]}" --git-dir="$store" fetch -q --no-tags --depth=1 "$url" "$BASE" || refuse 5 'the base commit %s cannot be fetched' "$BASE"
		unset GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0
	fi
	mkdir "$work/base"
	(
		cd "$work/base" || exit 1
		export GIT_INDEX_FILE=$work/index GIT_DIR=$store GIT_WORK_TREE=$work/base
		"${git[@]}" read-tree "$BASE" && "${git[@]}" checkout-index --all --quiet && "${git[@]}" ls-files -s -z >"$work/modes"
	) || refuse 5 'the base commit %s cannot be read' "$BASE"
	base=$work/base
}
case ${EVENT:-} in
	pull_request* | merge_group) [ -n "${BASE:-}" ] || refuse 2 'this pull request names no base commit' ;;
esac
[ -z "${BASE:-}" ] || take_base
token=''

differ() { # notes how the file $1 of the checkout differs from the one of the base commit, which is used
	local line
	if linked "$1"; then
		printf -v line '    %q: a link' "$1"
	elif [ ! -e "$root/$1" ]; then
		printf -v line '    %q: removed' "$1"
	elif [ ! -e "$base/$1" ]; then
		printf -v line '    %q: added' "$1"
	elif cmp -s -- "$root/$1" "$base/$1"; then
		return
	else
		printf -v line '    %q: changed' "$1"
		changes+=("$line")
		[ "$2" = whole ] || return
		while IFS= read -r line; do changes+=("      ${line:0:200}"); done < <(
			diff -U1 -- "$base/$1" "$root/$1" | LC_ALL=C tr -cd '\11\12\40-\176' | sed 1,2d | head -n 40
		)
		return
	fi
	changes+=("$line")
}
trusted() { # sets $file: where $1, a file that decides, is read; fails if the base commit has none
	local entry
	relative "$1"
	file=$full
	[ -n "$rel" ] || return 0 # the runner's own
	if [ -z "$base" ]; then
		! linked "$rel" || refuse 2 '%q is a link, or lies behind one' "$1"
		file=$root/$rel
		return 0
	fi
	differ "$rel" whole
	file=$base/$rel
	[ -f "$file" ] || return 1
	while IFS= read -r -d '' entry; do
		case $entry in "120000 "*$'\t'"$rel") refuse 2 '%q is a link in the base commit' "$1" ;; esac
	done <"$work/modes"
}

changes=()
for ((i = 0; i < ${#given[@]}; i++)); do
	arg=${given[i]} flag=''
	case $arg in
		--servers=* | --models=*) flag=${arg%%=*} arg=${arg#*=} ;;
		--servers | --models) flag=$arg i=$((i + 1)) arg=${given[i]:-} ;;
		--out | --out=* | --resume | --resume=* | --report | --report=*) refuse 2 '%q is not for ARGS: results are kept here' "$arg" ;;
	esac
	if [ -n "$flag" ]; then
		trusted "$arg" || refuse 2 'the base commit has no %q: it can be used once it is merged' "$arg"
		arg=$flag=$file
	fi
	args+=("$arg")
done
[ -z "${URL:-}" ] || args+=("--url=$URL")
[ "${SIMULATE:-false}" = true ] || args+=(--no-sim)

gates=''
if [ -n "${GATES:-}" ]; then
	if trusted "$GATES"; then
		gates=$file
	else
		worst=4
		printf -v line 'The base commit has no %q, so nothing was compared: it can be used once it is merged.' "$GATES"
		said+=("    $line" '')
	fi
fi
if [ -n "$base" ]; then
	while IFS= read -r -d '' file; do differ "${file#./}" names; done < <(
		for tree in "$base" "$root"; do
			(cd "$tree" && grep -rlZF --include='*.json' --exclude-dir=.git '"homellm.baseline/' . 2>/dev/null)
		done | sort -zu
	)
fi
if [ "${#changes[@]}" != 0 ]; then
	said+=('## Changes that were not used' '' "This pull request changes files that decide about it. They were read from the base commit $BASE." '' "${changes[@]}" '')
fi

for path in "${wanted[@]}"; do
	relative "$path"
	if [ -n "$rel" ]; then
		! linked "$rel" || refuse 2 '%q is a link, or lies behind one' "$path"
		if [ -d "$root/$rel" ]; then
			link=$(find "$root/$rel" -name .git -prune -o -type l -print -quit)
			[ -z "$link" ] || refuse 2 '%q is a link, and none is played' "${link#"$root"/}"
		fi
	fi
	scenarios+=("${rel:-$full}")
done

play() { # runs homellm so that no line of its output is a command to the runner
	local code fence=''
	if [ "${GITHUB_ACTIONS:-}" = true ]; then
		fence=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
		echo "::stop-commands::$fence"
	fi
	"$homellm" "$1" --annotations off "${@:2}"
	code=$?
	[ -z "$fence" ] || printf '\n::%s::\n' "$fence"
	return "$code"
}

# Annotations are collected: GitHub shows ten of a severity and step, and these are several programs in one step.
play apply "${args[@]}" --out "$results/runs" --report "github=$results/annotations/apply.txt" \
	--report "junit=$results/junit.xml" --report "markdown=$results/report.md" -- "${scenarios[@]}"
played=$?
worst=$(gravest "$worst" "$played")

if [ -n "$gates" ] && { [ "$played" = 0 ] || [ "$played" = 1 ] || [ "$played" = 4 ]; }; then
	require=()
	[ "${REQUIRE_BASELINE:-false}" != true ] || require=(--require-baseline)
	n=0 home=${base:-$root} gates=${gates#"${base:-$root}"/}
	for journal in "$results"/runs/journal.jsonl "$results"/runs/*/journal.jsonl; do
		[ -f "$journal" ] || continue
		n=$((n + 1))
		cd "$home" || exit 5 # the tree that the gates are of: annotations name them by their path in it
		GITHUB_WORKSPACE=$home play compare "$(dirname "$journal")" --gates "$gates" "${require[@]}" \
			--report "github=$results/annotations/compare-$n.txt" --report "markdown=$results/compare-$n.md" --report "html=$results/compare-$n.html"
		worst=$(gravest "$worst" "$?")
	done
fi
finish
