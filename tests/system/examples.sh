#!/usr/bin/env bash
# The examples do what their comments say, with three members.
set -eu
# shellcheck source=tests/support/ensemble.sh
. tests/support/ensemble.sh

ensemble_start a b c
export SYNOD_ENDPOINTS=$ENDPOINTS
out=$ENSEMBLE_DIR
declare -a started=()

# run NAME PROGRAM ARGUMENT...: in the background, its output in $out/NAME.
run() {
	local name=$1
	shift
	"$@" >"$out/$name" 2>&1 &
	started+=($!)
	pid=$!
}

# The programs end before the members do.
stop_all() {
	local process
	for process in "${started[@]}"; do
		kill -KILL "$process" 2>/dev/null || true
	done
	ensemble_cleanup
}
trap stop_all EXIT

# expect NAME PATTERN: until it is in that output.
expect() {
	for _ in {1..600}; do
		grep -qs "$2" "$out/$1" && return
		sleep 0.05
	done
	echo "$1: no line with '$2' in:"
	cat "$out/$1"
	exit 1
}

echo "lock: two shops sell ten pieces, and no more"
run shop1 "$SYNOD_BIN/examples/lock" 8
first=$pid
run shop2 "$SYNOD_BIN/examples/lock" 8
wait "$first" "$pid"
[ "$(cat "$out/shop1" "$out/shop2" | grep -c 'sold one')" = 10 ]
[ "$("$SYNOD_BIN/synod" get /example/shop/stock)" = 0 ]

echo "election: the next one leads when the leader dies, or resigns"
run alice "$SYNOD_BIN/examples/election" alice
alice=$pid
expect alice 'alice leads'
run bob "$SYNOD_BIN/examples/election" bob
bob=$pid
kill -KILL "$alice"
expect bob 'bob leads'
run carol "$SYNOD_BIN/examples/election" carol
carol=$pid
kill -TERM "$bob"
expect bob 'does not lead any more'
expect carol 'carol leads'
kill -TERM "$carol"
wait "$bob" "$carol"

echo "configuration: the state first, then every change"
"$SYNOD_BIN/synod" put -p /example/config/colour blue >/dev/null
run config "$SYNOD_BIN/examples/configuration"
expect config '/example/config/colour = blue'
"$SYNOD_BIN/synod" put -p /example/config/sizes/large 12 >/dev/null
"$SYNOD_BIN/synod" put /example/config/colour green >/dev/null
expect config '/example/config/sizes/large = 12'
expect config '/example/config/colour = green'
"$SYNOD_BIN/synod" delete /example/config/colour >/dev/null
expect config '/example/config/colour is gone'
kill -TERM "$pid"
wait "$pid"

echo "membership: who comes, who goes, who dies"
run one "$SYNOD_BIN/examples/membership" one
one=$pid
expect one '/example/group/one'
run two "$SYNOD_BIN/examples/membership" two
two=$pid
expect one 'came: /example/group/two'
expect two '/example/group/one'
run three "$SYNOD_BIN/examples/membership" three
three=$pid
expect one 'came: /example/group/three'
kill -TERM "$two"
expect one 'went: /example/group/two (closed)'
kill -KILL "$three"
expect one 'went: /example/group/three (expired)'
kill -TERM "$one"
wait "$one" "$two"

echo "server and caller: no call fails while servers die, leave and come"
run server1 "$SYNOD_BIN/examples/server"
server1=$pid
run server2 "$SYNOD_BIN/examples/server"
server2=$pid
expect server1 'registered as'
expect server2 'registered as'
run caller "$SYNOD_BIN/examples/caller" 300
caller=$pid
expect caller "hello from $(sed -n 's/.*-//p' "$out/server1")"
expect caller "hello from $(sed -n 's/.*-//p' "$out/server2")"
kill -KILL "$server1"
run server3 "$SYNOD_BIN/examples/server"
server3=$pid
expect server3 'registered as'
expect caller "hello from $(sed -n 's/.*-//p' "$out/server3")"
kill -TERM "$server2"
wait "$server2"
wait "$caller" || { tail -n 3 "$out/caller"; exit 1; }
grep -q '^300 calls, 0 failed$' "$out/caller"
kill -TERM "$server3"
wait "$server3"

echo "together: tasks are done while the leader dies"
run worker1 "$SYNOD_BIN/examples/together" worker1
worker1=$pid
expect worker1 'worker1 leads: OK'
run worker2 "$SYNOD_BIN/examples/together" worker2
run worker3 "$SYNOD_BIN/examples/together" worker3
expect worker2 'task [0-9]*: OK'
expect worker3 'task [0-9]*: OK'
before=$("$SYNOD_BIN/synod" get /example/together/count)
kill -KILL "$worker1"
count=0
for _ in {1..600}; do
	# Tasks come only from a leader, and the first one is gone.
	if cat "$out/worker2" "$out/worker3" | grep -q 'leads: OK'; then
		count=$("$SYNOD_BIN/synod" get /example/together/count)
	fi
	[ "$count" -le $((before + 3)) ] || break
	sleep 0.05
done
[ "$count" -gt $((before + 3)) ]
