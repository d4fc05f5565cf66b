# What scripts that try the command line say: sourced, not run, after ensemble.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # out is the script's, and pid is for it
#
# The script sets $out, a directory for output, before it calls what writes there.

: "${SYNOD_BIN:?names the directory of synodd and synod}"

synod() {
	"$SYNOD_BIN/synod" "$@"
}

fail() {
	echo "$*"
	exit 1
}

# until_true COMMAND...: until it succeeds, for as long as that may take.
until_true() {
	for _ in {1..1500}; do
		"$@" >/dev/null 2>&1 && return
		sleep 0.02
	done
	fail "never true: $*"
}

# has FILE PATTERN
has() {
	grep -qs -e "$2" "$1"
}

# exits CODE COMMAND...: it ends with this code.
exits() {
	local want=$1 code=0
	shift
	"$@" || code=$?
	[ "$code" = "$want" ] || fail "exit code $code instead of $want: $*"
}

# ends CODE PROCESS
ends() {
	local code=0
	wait "$2" || code=$?
	[ "$code" = "$1" ] || fail "a process ended with $code instead of $1"
}

# refuses CODE PATTERN ARGUMENT...: `synod ARGUMENT...` names what was wrong, and what to do next.
refuses() {
	local want=$1 pattern=$2
	shift 2
	exits "$want" synod "$@" >"$out/refused" 2>&1
	grep -q -e "$pattern" "$out/refused" || fail "not '$pattern' but $(cat "$out/refused")"
	[ "$(grep -c '^  ..' "$out/refused")" -ge 1 ] || fail "no advice: $(cat "$out/refused")"
}

milliseconds() {
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# spawn NAME ARGUMENT...: `synod ARGUMENT...` in the background, its output in $out/NAME, its id in
# $pid.  An interrupt is not ignored, as it otherwise is in the background of a script.
spawn() {
	local name=$1
	shift
	env --default-signal=INT "$SYNOD_BIN/synod" "$@" >"$out/$name" 2>&1 &
	pid=$!
}
