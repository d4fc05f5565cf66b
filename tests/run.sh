#!/usr/bin/env bash
# Run test programs, keep their output in $B/log, and add up what they report.
#
#     B=build/release tests/run.sh unit/paxos/ballot scenario fuzz/path system/kill tests/lint.sh
#
# Counts come from cmocka's summary, or that of the stories; a program without one counts as one test.
# Unit tests, stories and fuzz replays run side by side, the rest one by one.
# The last line is "N passed, M failed"; the exit status says the same.
set -u
: "${B:?names the build directory}"
timeout_s=${TEST_TIMEOUT_S:-300}

command_of() {
	case $1 in
	*.sh) printf 'bash\n%s\n' "$1" ;;
	scenario) printf '%s\n' "$B/scenario" tests/scenario/*.story ;;
	fuzz/*) printf '%s\n' "$B/$1" "tests/fuzz/corpus/${1#fuzz/}" ;;
	*) printf '%s\n' "$B/$1" ;;
	esac
}

# How many tests of a cmocka log passed, failed, were skipped.
count() {
	sed -n "s/^\[  $2 *\] \(.*[^0-9]\)\{0,1\}\([0-9][0-9]*\) test(s).*/\2/p" "$1" |
		awk '{ sum += $1 } END { print sum + 0 }'
}

run_one() {
	local name=$1 log result status group seconds start passed failed skipped verdict
	log=$B/log/${name//\//-}.log
	result=$B/log/${name//\//-}.result
	mapfile -t command < <(command_of "$name")
	start=$(date +%s%N)
	timeout --kill-after=10 "$timeout_s" "${command[@]}" >"$log" 2>&1 </dev/null &
	group=$! # timeout makes a process group of its own
	wait "$group"
	status=$?
	# What a test that died has left behind must not disturb the next one.
	kill -KILL -- "-$group" 2>/dev/null
	seconds=$(awk -v ns=$(($(date +%s%N) - start)) 'BEGIN { printf "%.1f", ns / 1e9 }')

	passed=$(count "$log" PASSED)
	failed=$(count "$log" FAILED)
	skipped=$(count "$log" SKIPPED)
	if [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ stories,\ ([0-9]+)\ failed$ ]]; then
		failed=${BASH_REMATCH[2]}
		passed=$((BASH_REMATCH[1] - failed))
	fi
	# A program that died before its summary: what it had finished still counts.
	if [ "$status" != 0 ] && [ "$failed" = 0 ]; then
		passed=$(grep -c '^\[       OK \]' "$log")
		failed=1
	elif [ "$status" = 0 ] && [ $((passed + failed + skipped)) = 0 ]; then
		passed=1
	fi
	verdict=ok
	if [ "$failed" != 0 ]; then
		verdict=FAIL
	fi
	echo "$passed $failed $skipped $name" >"$result"
	{
		printf '%-4s %-36s %4d passed' "$verdict" "$name" "$passed"
		[ "$failed" = 0 ] || printf ', %d failed' "$failed"
		[ "$skipped" = 0 ] || printf ', %d skipped' "$skipped"
		printf '  %s s\n' "$seconds"
		if [ "$verdict" = FAIL ]; then
			[ "$status" != 124 ] || echo "     stopped after $timeout_s s"
			echo "     exit status $status; the end of $log:"
			tail -n 80 "$log" | sed 's/^/     | /'
		fi
	} >"$result.text"
	cat "$result.text"
}

if [ "${1:-}" = --one ]; then
	run_one "$2"
	exit 0
fi

mkdir -p "$B/log"
rm -f "$B"/log/*.result "$B"/log/*.result.text
together=()
alone=()
for name in "$@"; do
	case $name in
	unit/* | scenario | fuzz/* | synod-exhaustive) together+=("$name") ;;
	*) alone+=("$name") ;;
	esac
done
if [ ${#together[@]} != 0 ]; then
	printf '%s\0' "${together[@]}" | xargs -0 -n 1 -P "$(nproc)" bash "$0" --one
fi
for name in "${alone[@]}"; do
	run_one "$name"
done

cat "$B"/log/*.result 2>/dev/null | awk '
	{ passed += $1; failed += $2; skipped += $3; if ($2) names = names "\n  " $4 }
	END {
		print ""
		if (skipped) print skipped " skipped (their logs say why)"
		if (failed) print "failing:" names
		print passed + 0 " passed, " failed + 0 " failed"
		exit failed != 0
	}'
