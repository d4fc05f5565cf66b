#!/usr/bin/env bash
# `synodd &` and `synod set /hello world`, with no arguments at all, in a home of their own.
#
# The default ports are fixed: when somebody listens there already, this is only told, not tried.
set -eu
home=$(mktemp -d)
pid=
cleanup() {
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
	rm -rf "$home"
}
trap cleanup EXIT
for port in 7400 7401; do
	if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
		echo "port $port is taken; not tried"
		exit 0
	fi
done

# Root's default is /var/lib/synod, which may hold somebody's data: root gets a directory here.
data=()
[ "$(id -u)" != 0 ] || data=(--data "$home/.local/state/synod")
env -u XDG_STATE_HOME -u SYNOD_ENDPOINTS HOME="$home" "$SYNOD_BIN/synodd" "${data[@]}" 2>"$home/log" &
pid=$!
for _ in {1..100}; do
	! grep -q ' started: ' "$home/log" || break
	kill -0 "$pid" || { cat "$home/log"; exit 1; }
	sleep 0.1
done
env -u SYNOD_ENDPOINTS "$SYNOD_BIN/synod" set /hello world
[ "$(env -u SYNOD_ENDPOINTS "$SYNOD_BIN/synod" get /hello)" = world ]
[ "$(stat -c %a "$home/.local/state/synod")" = 700 ]
kill -TERM "$pid"
wait "$pid"
pid=
