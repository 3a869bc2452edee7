#!/usr/bin/env bash
# Puts the released program that belongs to this commit of the action into the folder $1. By environment come in REPOSITORY
# and REF of the action, and SOURCE, its folder. Where there is no such release it says why and ends with 0: the program is
# built then. What was downloaded and is not what the release says is an error. Prints found=true to $GITHUB_OUTPUT.
set -euo pipefail
to=${1:?name a folder}

none() {
	echo "no release is used: $1"
	exit 0
}
repository=${REPOSITORY:-} ref=${REF:-}
if [ -z "$repository" ]; then # composite actions are not always told; their folder is named after both
	rest=${SOURCE##*/_actions/}
	[ "$rest" != "$SOURCE" ] || none "the action is part of this checkout"
	repository=$(cut -d/ -f1,2 <<<"$rest") ref=$(cut -d/ -f3- <<<"$rest")
fi
[[ $repository =~ ^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$ && $ref =~ ^[A-Za-z0-9_][A-Za-z0-9_./-]*$ ]] ||
	none "the action does not know where it is from"
case $(uname -s) in
	Linux) os=linux ;;
	Darwin) os=darwin ;;
	*) none "for this system it is built" ;;
esac
case $(uname -m) in
	x86_64 | amd64) arch=amd64 ;;
	aarch64 | arm64) arch=arm64 ;;
	*) none "for this processor it is built" ;;
esac

# The commit that the action was taken from, and the version that was released of it. A branch has none.
address=${GITHUB_SERVER_URL:-https://github.com}/$repository
tags=$(GIT_TERMINAL_PROMPT=0 git ls-remote --tags "$address") || none "the tags of $address cannot be read"
commit=$ref
if ! [[ $ref =~ ^[0-9a-f]{40}$ ]]; then
	commit=$(awk -v tag="refs/tags/$ref" '$2 == tag "^{}" { c = $1 } $2 == tag && !c { c = $1 } END { print c }' <<<"$tags")
fi
tag=$(awk -v commit="${commit:-none}" '$1 == commit { sub("^refs/tags/", "", $2); sub(/\^\{\}$/, "", $2); print $2 }' <<<"$tags" |
	{ grep -E '^v[0-9]+\.[0-9]+\.[0-9]+$' || true; } | sort -V | tail -n 1)
[ -n "$tag" ] || none "no version was released of $ref"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
file=homellm_${tag#v}_${os}_$arch.tar.gz
for name in checksums.txt "$file"; do
	curl -fsSL --proto '=https' --retry 2 --max-time 300 -o "$work/$name" "$address/releases/download/$tag/$name" ||
		none "$tag has no $name that can be downloaded"
done
sum=$(command -v sha256sum || command -v shasum) || none "there is no program here that checks its sum"
case $sum in *shasum) sum="$sum -a 256" ;; esac
wanted=$(awk -v file="$file" '$2 == file { print $1 }' "$work/checksums.txt")
[ "$($sum "$work/$file" | cut -d ' ' -f 1)" = "${wanted:-none}" ] || { echo "$file is not what the release says it is"; exit 1; }
tar -xzf "$work/$file" -C "$work" homellm
mkdir -p "$to"
mv "$work/homellm" "$to/homellm"
echo "homellm $tag, as released"
echo "found=true" >>"${GITHUB_OUTPUT:-/dev/null}"
