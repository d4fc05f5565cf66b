#!/usr/bin/env bash
# The same seeds must give the same traces in two builds of the same sources: what differs depends on
# addresses, on memory that nobody has set, or on the compiler.
#
#     tests/sim/same.sh build/release build/asan
#
# SEEDS (default 30) from FIRST (default 1) on, and as many beyond the budget.
set -u
one=${1:?names a build directory}
other=${2:?names another}
log=$other/log/same
mkdir -p "$log"
status=0

for mode in "" --beyond; do
	for build in "$one" "$other"; do
		"$build/synod-sim" --quiet --seeds "${SEEDS:-30}" --first "${FIRST:-1}" --hashes $mode |
			grep -E '^[0-9]+ [0-9a-f]{16}$' >"$log/$(basename "$build")$mode" &
	done
	wait
	if ! [ -s "$log/$(basename "$one")$mode" ] ||
		! diff "$log/$(basename "$one")$mode" "$log/$(basename "$other")$mode"; then
		echo "the traces of $one and $other differ $mode"
		status=1
	fi
done
[ "$status" = 0 ] && echo "$((2 * ${SEEDS:-30})) seeds, the same traces in $one and $other"
exit "$status"
