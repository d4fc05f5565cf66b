#!/usr/bin/env bash
# The configuration as a user meets it: -n, --help, wrong settings, and their exit statuses.
set -eu
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

# expect STATUS PATTERN ARGUMENT...
expect() {
	local wanted=$1 pattern=$2 status=0
	shift 2
	"$SYNOD_BIN/synodd" "$@" >"$place/out" 2>&1 </dev/null || status=$?
	if [ "$status" != "$wanted" ] || ! grep -q -- "$pattern" "$place/out"; then
		echo "synodd $*: status $status (wanted $wanted), without \"$pattern\":"
		cat "$place/out"
		exit 1
	fi
}

expect 0 'valid' -n
expect 0 'valid' -n -f etc/synod.conf
expect 0 'Examples:' --help
expect 0 'synod [0-9]' --version
expect 2 'no such option; did you mean --clients' --client-s h:1
expect 2 'needs a value' --name
expect 2 'No such file' -n -f "$place/none"
expect 2 'not a regular file' -n -f "$place"
expect 2 'is not in peers' --name x --peers a=127.0.0.1:1 -n
printf 'name = a\nhart_beat_ms = 3\n' >"$place/conf"
expect 2 "conf:2: \"hart_beat_ms\" is no setting; did you mean heartbeat_ms" -f "$place/conf"
printf 'heartbeat_ms = 3\n' >"$place/conf"
expect 2 "conf:1: heartbeat_ms: \"3\": must be a whole number from 5 to 10000" -f "$place/conf"
head -c 4096 /dev/urandom >"$place/conf"
expect 2 'conf' -n -f "$place/conf"
printf 'log_level = debug\n' >"$place/conf2"
expect 0 'valid' -n -f "$place/conf2" --heartbeat-ms 20
expect 0 'odd number' -n --name a --peers a=127.0.0.1:1,b=127.0.0.1:2
