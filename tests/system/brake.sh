#!/usr/bin/env bash
# The network of most instances is cut at once: they stay, as suspects.  Two that are cut go.  A lock
# whose holder is cut goes to the next in line, brake or not.
#
# The ensemble and two instances are here, six behind one link, two behind another.  "Here" is a
# network of our own, with our own processes and mounts, so that nothing is left when the script ends,
# however it ends, and nothing of the machine's is touched: root, or the right to make users' namespaces.
# shellcheck disable=SC2317 # the parts are called by their names
set -eu

skip() {
	echo "[  SKIPPED ] 1 test(s): $*"
	exit 0
}

if [ "${1:-}" != inside ]; then
	command -v ip >/dev/null || skip "the program ip (Debian: iproute2) is missing"
	isolated=(unshare --net --mount --pid --fork --kill-child)
	[ "$(id -u)" = 0 ] || isolated+=(--user --map-root-user)
	code=0
	"${isolated[@]}" true || skip "namespaces cannot be made here"
	"${isolated[@]}" bash "$0" inside || code=$?
	[ "$code" != 77 ] || skip "networks cannot be made here"
	exit "$code"
fi

# shellcheck source=tests/support/ensemble.sh
. tests/support/ensemble.sh
# shellcheck source=tests/support/cli.sh
. tests/support/cli.sh

HERE=10.213.0.1
SESSION_S=3
SLACK_MS=4000
BOUND_MS=$((2 * SESSION_S * 1000 + SLACK_MS)) # suspect after a session's time, gone after another

fail() {
	echo "$*"
	synod service show web || true
	ensemble_status || true
	exit 1
}

synod() {
	"$SYNOD_BIN/synod" -e "$ENDPOINTS" "$@"
}

# ---- networks ----

# Links without addresses of their own, so that HERE stays when they are cut.
make_link() {
	ip netns add "$1" && ip link add "$1" type veth peer name uplink netns "$1" &&
		ip -n "$1" link set lo up && ip -n "$1" addr add "$2/32" dev uplink &&
		ip -n "$1" link set uplink up && ip -n "$1" route add "$HERE" dev uplink &&
		restore "$1" "$2"
}

restore() {
	ip link set "$1" up && ip route replace "$2" dev "$1" src "$HERE"
}

cut() {
	ip link set "$1" down
}

make_networks() {
	mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip link set lo up &&
		ip addr add "$HERE/32" dev lo && make_link far 10.213.0.2 && make_link near 10.213.0.3
}

# within far|near|here COMMAND...
within() {
	local network=$1
	shift
	if [ "$network" = here ]; then
		exec "$@"
	else
		exec nsenter "--net=/run/netns/$network" "$@"
	fi
}

# Nobody else is in this network: any port is free.
ensemble_ports() {
	local name port=7401
	ENSEMBLE_PEERS=
	ENDPOINTS=
	for name in "$@"; do
		# shellcheck disable=SC2004,SC2034 # of ensemble.sh
		MEMBER_CLIENTS[$name]=$HERE:$port
		ENSEMBLE_PEERS+=${ENSEMBLE_PEERS:+,}$name=127.0.0.1:$((port + 100))
		ENDPOINTS+=${ENDPOINTS:+,}$HERE:$port
		port=$((port + 1))
	done
}

# ---- instances ----

started=()

# What they have started themselves goes with our processes' namespace.
clean_up() {
	for pid in "${started[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	ensemble_cleanup
}

# instance NETWORK NUMBER
instance() {
	within "$1" "$SYNOD_BIN/synod" -e "$ENDPOINTS" run --service web --id "$1-$2" --port "$((8000 + $2))" \
		--session-timeout "$SESSION_S" -- sleep 1000 >>"$ENSEMBLE_DIR/instances.log" 2>&1 &
	started+=("$!")
}

# shows INSTANCES SUSPECTS holds|lets: so many there are, as many of them are suspect, and all others pass.
shows() {
	local says='does not hold' text
	[ "$3" != holds ] || says='holds: suspects stay'
	text=$(synod service show web) || return
	[[ $text == *"$1 instances, $2 suspect; the brake (50%) $says"* ]] &&
		[ "$(grep -c ' passing ' <<<"$text")" = $(($1 - $2)) ]
}

# The ballot of the leader.  A new one grants every session its whole time once more: no bound is
# kept then.
ballot() {
	until_true ensemble_leader_is_known
	ensemble_status | awk '$2 == "leader" { print $4; exit }'
}

ensemble_leader_is_known() {
	[ -n "$(ensemble_leader)" ]
}

# start_clock, and later within_bound MILLISECONDS, which also sets passed_ms.
start_clock() {
	started_ballot=$(ballot)
	started_ms=$(milliseconds)
	passed_ms=0
}

within_bound() {
	passed_ms=$(($(milliseconds) - started_ms))
	[ "$passed_ms" -lt "$1" ] || { [ "$passed_ms" -lt 60000 ] && [ "$(ballot)" != "$started_ballot" ]; }
}

# How many instances callers may be given whose line has PATTERN.
offered() {
	synod resolve web | grep -c -e "$1" || true
}

is_held() {
	synod locks /held | grep -q ' holds '
}

# ---- the parts ----

begin() {
	ensemble_start a b c || exit 1
	trap clean_up EXIT
	for number in 1 2; do
		instance here "$number"
		instance near "$number"
	done
	for number in 1 2 3 4 5 6; do
		instance far "$number"
	done
	until_true shows 10 0 lets
	# Each has the address from which it reaches the ensemble.
	[ "$(offered 10.213.0.2:800)" = 6 ] || fail "not six far away"
	[ "$(offered 10.213.0.3:800)" = 2 ] || fail "not two near by"
}

hold_a_lock_far_away() {
	within far "$SYNOD_BIN/synod" -e "$ENDPOINTS" lock --session-timeout "$SESSION_S" /held -- sleep 1000 \
		>>"$ENSEMBLE_DIR/holder.log" 2>&1 &
	holder=$!
	started+=("$holder")
	until_true is_held
	synod lock /held -- echo granted >"$ENSEMBLE_DIR/next" 2>&1 &
	next=$!
	started+=("$next")
}

the_brake_holds_when_most_are_cut_at_once() {
	start_clock
	cut far
	cut near
	until_true shows 10 8 holds
	wait "$next" || fail "the next contender: $(cat "$ENSEMBLE_DIR/next")"
	[ "$(cat "$ENSEMBLE_DIR/next")" = granted ] || fail "not granted: $(cat "$ENSEMBLE_DIR/next")"
	within_bound $((SESSION_S * 1000 + SLACK_MS)) || fail "the lock was granted $passed_ms ms after the cut"
	while [ $(($(milliseconds) - started_ms)) -lt "$BOUND_MS" ]; do
		synod service show web | grep -q '^10 instances, .* holds: ' || fail "some of the ten are gone"
		sleep 0.2
	done
	until_true shows 10 8 holds
	[ "$(offered suspect)" = 8 ] || fail "callers are not given the suspects"
	[ "$(offered here)" = 2 ] || fail "callers are not given the others"
}

all_come_back() {
	restore far 10.213.0.2
	restore near 10.213.0.3
	until_true shows 10 0 lets
	[ "$(offered passing)" = 10 ] || fail "not all of them pass"
	# Who held the lock knows, and has ended its command.
	local code=0
	wait "$holder" || code=$?
	[ "$code" = 6 ] || fail "who lost the lock ended with $code: $(cat "$ENSEMBLE_DIR/holder.log")"
}

two_that_are_cut_go() {
	start_clock
	cut near
	until [ "$(synod ls /services/web | grep -c near)" = 0 ]; do
		! synod service show web | grep -q ' holds: ' || fail "the brake holds for two of ten"
		within_bound "$BOUND_MS" || fail "still there $passed_ms ms after the cut"
		sleep 0.05
	done
	[ "$passed_ms" -gt $((SESSION_S * 1000 * 5 / 3)) ] || fail "gone $passed_ms ms after the cut already"
	until_true shows 8 0 lets
	[ "$(offered near)" = 0 ] || fail "callers are given those that are gone"
	# If they live after all, they come back by themselves.
	restore near 10.213.0.3
	until_true shows 10 0 lets
}

make_networks || exit 77
begin
hold_a_lock_far_away
the_brake_holds_when_most_are_cut_at_once
all_come_back
two_that_are_cut_go
echo "the brake holds, and lets go"
