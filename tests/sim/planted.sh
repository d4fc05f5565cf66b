#!/usr/bin/env bash
# Prove that the judges can fail: plant each bug of shared/planted.def in turn, or those named, and
# see who catches it.  A bug that nobody catches fails the run.
#
#     B=build/planted tests/sim/planted.sh [BUG...]
#
# The exhaustive search judges the bugs of the core; the simulator judges all, from three first seeds
# (the median counts); the unit tests of the layer are asked when neither has caught it.
# SEEDS (default 3000) bounds the simulator, a third of it where the search was quicker; SECONDS_EACH
# (default 10) bounds each scope of the search.
set -u
: "${B:?names the build directory}"
seeds=${SEEDS:-3000}
seconds=${SECONDS_EACH:-10}
log=$B/log/planted.log
mkdir -p "$B/log"

names() { sed -n 's/^PLANTED_BUG(\([A-Z_]*\),.*/\1/p' shared/planted.def; }
text_of() { sed -n "s/^PLANTED_BUG($1, *\"\(.*\)\")/\1/p" shared/planted.def; }
files_of() { grep -rlE "PLANTED\($1\)" --include='*.[ch]' shared server client; }

# The unit tests beside the sources FILES.
tests_of() {
	local file layer
	for file in "$@"; do
		layer=$(basename "$(dirname "$file")")
		find "tests/unit/$layer" -name '*.c' 2>/dev/null | sed 's|^tests/unit/||; s|\.c$||'
	done | sort -u
}

# "12998 states (rivals)", or nothing.
search() {
	[ -x "$B/synod-exhaustive" ] || return
	PLANTED=$1 "$B/synod-exhaustive" --level default --seconds "$seconds" 2>&1 >/dev/null |
		sed -n 's/^scope \([a-z]*\): broken.*visited \([0-9]*\) states.*/\2 states (\1)/p'
}

# "SEEDS CHECKER" of the simulator from one first seed, or nothing.
simulate_from() {
	"$B/synod-sim" --planted "$1" --first "$2" --seeds "$3" --quiet 2>/dev/null |
		sed -n 's/^first failure: .*checker \([^,]*\), after \([0-9]*\) seeds.*/\2 \1/p'
}

# "23 seeds (durable)": the median of three, or nothing if one of them found nothing.
simulate() {
	local first found all=()
	[ -x "$B/synod-sim" ] || return
	for first in 1 1000001 2000001; do
		found=$(simulate_from "$1" "$first" "$2")
		[ -n "$found" ] || return
		all+=("$found")
	done
	printf '%s\n' "${all[@]}" | sort -n | sed -n '2s/^\([0-9]*\) \(.*\)/\1 seeds (\2)/p'
}

# The first unit test that fails.
unit() {
	local bug=$1 test
	shift
	for test in $(tests_of "$@"); do
		if [ -x "$B/unit/$test" ] && ! PLANTED=$bug timeout 150 "$B/unit/$test" >>"$log" 2>&1; then
			echo "$test"
			return
		fi
	done
}

[ $# -gt 0 ] || mapfile -t bugs < <(names)
[ $# -eq 0 ] || bugs=("$@")
missed=()
: >"$log"
printf '%-24s  %-26s  %-26s  %-24s  %s\n' 'planted bug' search simulator 'unit test' 'what it is'
for bug in "${bugs[@]}"; do
	mapfile -t files < <(files_of "$bug")
	if [ ${#files[@]} = 0 ]; then
		missed+=("$bug")
		echo "$bug stands nowhere in the sources"
		continue
	fi
	searched='' tested=''
	[[ " ${files[*]}" != *' server/paxos/'* ]] || searched=$(search "$bug")
	limit=$seeds
	[ -z "$searched" ] || limit=$((seeds / 3))
	simulated=$(simulate "$bug" "$limit")
	[ -n "$searched$simulated" ] || tested=$(unit "$bug" "${files[@]}")
	[ -n "$searched$simulated$tested" ] || missed+=("$bug")
	printf '%-24s  %-26s  %-26s  %-24s  %s\n' "$bug" "${searched:--}" "${simulated:--}" \
		"${tested:--}" "$(text_of "$bug")"
done
echo "$((${#bugs[@]} - ${#missed[@]})) of ${#bugs[@]} planted bugs were caught"
[ ${#missed[@]} = 0 ] || echo "not caught: ${missed[*]}"
[ ${#missed[@]} = 0 ]
