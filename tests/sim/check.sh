#!/usr/bin/env bash
# Every saved case, then $SIM_SEEDS seeds from $SIM_FIRST on, and a third as many beyond what the
# ensemble can survive, on all processors.
set -u
: "${B:?names the build directory}"
seeds=${SIM_SEEDS:-1000}
first=${SIM_FIRST:-1}
jobs=$(nproc 2>/dev/null || echo 2)
status=0

# run COUNT [OPTION...]: on all processors, each with its share.
run() {
	local share=$((($1 + jobs - 1) / jobs)) job pid pids=()
	shift
	for ((job = 0; job < jobs; job++)); do
		"$B/synod-sim" --quiet --seeds "$share" --first $((first + job * share)) "$@" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
}

for case in tests/sim/cases/*.case; do
	"$B/synod-sim" --case "$case" || exit 1
done
run "$seeds"
run $((seeds / 3)) --beyond
exit "$status"
