#!/usr/bin/env bash
# Every saved case, then $SIM_SEEDS seeds from $SIM_FIRST on, on all processors.
set -u
: "${B:?names the build directory}"
seeds=${SIM_SEEDS:-1000}
first=${SIM_FIRST:-1}
jobs=$(nproc 2>/dev/null || echo 2)
share=$(((seeds + jobs - 1) / jobs))
pids=()
status=0

for case in tests/sim/cases/*.case; do
	"$B/synod-sim" --case "$case" || exit 1
done
for ((job = 0; job < jobs; job++)); do
	"$B/synod-sim" --quiet --seeds "$share" --first $((first + job * share)) &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || status=1
done
exit "$status"
