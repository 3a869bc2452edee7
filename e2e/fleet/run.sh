#!/usr/bin/env bash
# Plays a scenario on a fleet whose broker, boxes and operator are in three network namespaces: over TLS, at an address
# that is not a loopback one, while the network of the boxes and then that of the operator is cut for seconds. Verdicts
# and exit code must be those of the same scenario on one machine. All traffic stays in the namespaces.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
	echo "skipped: $1"
	[ "${CI:-}" != true ] || exit 1
	exit 0
}
[ "$(uname)" = Linux ] || skip "network namespaces are Linux's"
as() { "$@"; }
if [ "$(id -u)" != 0 ]; then
	sudo -n true 2>/dev/null || skip "namespaces need root"
	as() { sudo -nE "$@"; }
fi
command -v ip >/dev/null || as apt-get install -y -qq --no-install-recommends iproute2 >/dev/null ||
	skip "ip is not installed (Debian: apt-get install iproute2)"

name=fleet$$
broker=$name-broker boxes=$name-boxes operator=$name-operator
dir=$(mktemp -d)
cleanup() {
	local code=$? pids
	[ "$code" = 0 ] || tail -n 20 "$dir"/*.log
	for ns in "$boxes" "$operator" "$broker"; do
		mapfile -t pids < <(as ip netns pids "$ns" 2>/dev/null)
		[ "${#pids[@]}" = 0 ] || as kill "${pids[@]}" || true # one may have ended by itself
	done
	wait
	for ns in "$broker" "$boxes" "$operator"; do as ip netns delete "$ns" 2>/dev/null || true; done
	as rm -rf "$dir"
}
trap cleanup EXIT
as ip netns add "$broker" 2>"$dir/netns.log" || skip "this machine makes no namespaces: $(cat "$dir/netns.log")"
as ip netns add "$boxes"
as ip netns add "$operator"

go build -tags fleet -o "$dir/homellm" ./cmd/homellm
SECONDS=0

# A bridge in the namespace of the broker, with a cable to each of the others.
as ip -n "$broker" link add switch type bridge
as ip -n "$broker" address add 10.77.0.1/24 dev switch
as ip -n "$broker" link set switch up
at=2
for ns in "$boxes" "$operator"; do
	as ip -n "$broker" link add "port$at" type veth peer name cable netns "$ns"
	as ip -n "$broker" link set "port$at" master switch up
	as ip -n "$ns" address add "10.77.0.$at/24" dev cable
	as ip -n "$ns" link set cable up
	as ip -n "$ns" link set lo up
	at=$((at + 1))
done
as ip -n "$broker" link set lo up

# inside NAMESPACE FOLDER WORDS... runs homellm there, with a home of its own.
inside() {
	local ns=$1 home=$dir/$2
	shift 2
	mkdir -p "$home"
	as ip netns exec "$ns" env HOME="$home" XDG_CONFIG_HOME="$home/config" XDG_CACHE_HOME="$home/cache" "$dir/homellm" "$@"
}

# until_ready SECONDS WORDS... waits for a command to succeed.
until_ready() {
	local left=$1
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$left" -gt 0 ] || { echo "waited in vain for: $*"; exit 1; }
		left=$((left - 1))
		sleep 1
	done
}

cp e2e/fleet/matrix.yaml "$dir"
inside "$broker" broker fleet serve --listen 10.77.0.1:4222 --store "$dir/store" >"$dir/broker.log" 2>&1 &
until_ready 30 inside "$operator" operator fleet status --key "$dir/store/operator.key"
grep -q "BEGIN CERTIFICATE" "$dir/store/operator.key" || { echo "connections are not encrypted"; exit 1; }
for box in attic cellar; do
	inside "$boxes" "$box" fleet join --key "$dir/store/worker.key" --name "$box" >"$dir/$box.log" 2>&1 &
	done
two_idle() { inside "$operator" operator fleet status --key "$dir/store/operator.key" | grep "boxes: 2 idle"; }
until_ready 30 two_idle

inside "$operator" operator apply "$dir/matrix.yaml" --fleet nats://10.77.0.1:4222 --key "$dir/store/operator.key" \
	--out "$dir/there" --quiet >"$dir/apply.log" 2>&1 &
run=$!
until_ready 30 grep -q '"kind":"cell_done"' "$dir/there/journal.jsonl"
as ip -n "$broker" link set port2 down # the cable of the boxes
sleep 4
as ip -n "$broker" link set port2 up
kill -0 "$run" || { echo "the run was over before its network was cut"; exit 1; }
sleep 1
as ip -n "$broker" link set port3 down # that of the operator
sleep 3
as ip -n "$broker" link set port3 up
there=0
wait "$run" || there=$?
here=0
inside "$operator" operator apply "$dir/matrix.yaml" --out "$dir/here" --quiet >"$dir/here.log" 2>&1 || here=$?

[ "$here" = "$there" ] || { echo "exit code $here here and $there on the fleet"; exit 1; }
as chmod -R a+rX "$dir"
node e2e/fleet/same.mjs "$dir/here/result.json" "$dir/there/result.json"
echo "a fleet in three namespaces plays as one machine does: exit code $here (${SECONDS}s)"
