#!/usr/bin/env bash
# Measure three members on loopback, load generator and all on this machine: `make bench`.
#
#   BENCH_SECONDS  of each run (5)     BENCH_RUNS  of which the median is printed (3)
#   TMPDIR         where the members write: a real disk, if the figures are to mean anything
#
# Nothing here passes or fails by time; it fails only when something does not work.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${SYNOD_BIN:=$PWD/build/release}" "${BENCH_SECONDS:=5}" "${BENCH_RUNS:=3}"
# shellcheck source=tests/support/ensemble.sh
. tests/support/ensemble.sh

median() {
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# field KEY FILE: the value of every "KEY": NUMBER.
field() {
	grep -o "\"$1\":[[:space:]]*[0-9.]*" "$2" | grep -o '[0-9.]*$'
}

# measure TITLE ARGUMENT...: medians of the runs, one line.
measure() {
	local title=$1 key
	shift
	: >"$ENSEMBLE_DIR/runs"
	for ((run = 0; run < BENCH_RUNS; run++)); do
		"$SYNOD_BIN/synod" -q -e "$ENDPOINTS" bench "$@" --seconds "$BENCH_SECONDS" --json \
			>>"$ENSEMBLE_DIR/runs" 2>"$ENSEMBLE_DIR/errors" || { cat "$ENSEMBLE_DIR/errors"; exit 1; }
	done
	printf '%-44s %9.0f' "$title" "$(field ops_per_second "$ENSEMBLE_DIR/runs" | median)"
	for key in p50_us p99_us p999_us max_us; do
		printf ' %9.0f' "$(field "$key" "$ENSEMBLE_DIR/runs" | median)"
	done
	echo
}

memory_mib() {
	awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/${MEMBER_PID[$1]}/status"
}

# The longest time without a successful write when the leader is killed.
measure_gap() {
	local leader
	for ((run = 0; run < 5; run++)); do
		"$SYNOD_BIN/synod" -q -e "$ENDPOINTS" bench gap --seconds 5 --json >"$ENSEMBLE_DIR/gap.$run" 2>&1 &
		sleep 2
		leader=$(ensemble_leader)
		member_kill "$leader"
		wait $! || { cat "$ENSEMBLE_DIR/gap.$run"; exit 1; }
		field longest_gap_ms "$ENSEMBLE_DIR/gap.$run"
		member_start "$leader"
		ensemble_agrees 30 || exit 1
	done >"$ENSEMBLE_DIR/gaps"
	printf 'leader killed: longest gap %s ms (median of 5: %s)\n' \
		"$(median <"$ENSEMBLE_DIR/gaps")" "$(tr '\n' ' ' <"$ENSEMBLE_DIR/gaps")"
}

ensemble_start a b c || exit 1
echo "three members on $(nproc) processors, $(uname -sr), $(stat -f -c %T "$ENSEMBLE_DIR") at ${ENSEMBLE_DIR%/*};" \
	"256-byte values over 1,000 nodes; medians of $BENCH_RUNS runs of $BENCH_SECONDS s"
echo "idle: $(memory_mib a) MiB resident a member"
echo
printf '%-44s %9s %9s %9s %9s %9s\n' '' 'per s' 'p50 us' 'p99 us' 'p99.9 us' 'max us'
measure 'write, 1 outstanding' write --outstanding 1 --connections 1
measure 'write, 64 outstanding, 8 connections' write --outstanding 64 --connections 8
measure 'write, 256 outstanding, 8 connections' write --outstanding 256 --connections 8
measure 'write, 64 connections with 1 outstanding' write --outstanding 64 --connections 64
measure 'read linearizable, 1 outstanding' read --outstanding 1 --connections 1
measure 'read linearizable, 64 outstanding' read --outstanding 64 --connections 8
measure 'read local, 64 outstanding' read --outstanding 64 --connections 8 --consistency local
measure 'mixed, 64 outstanding' mixed --outstanding 64 --connections 8
echo
"$SYNOD_BIN/synod" -q -e "$ENDPOINTS" bench discovery || exit 1
echo
measure_gap
echo "afterwards: $(memory_mib a), $(memory_mib b), $(memory_mib c) MiB resident"
