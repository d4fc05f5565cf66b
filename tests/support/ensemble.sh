# An ensemble of real members on loopback, for the demo, the benchmark and the tests: sourced, not run.
# shellcheck shell=bash
#
#     ensemble_start a b c      choose ports, start the members, wait until they serve
#     member_kill a             SIGKILL, by the id of the process that was started here
#     member_start a            start it again, on the same data
#     ensemble_status ...       `synod status` of all members
#     ensemble_leader           prints the leader's name
#
# ENSEMBLE_DIR and ENDPOINTS say where it is.  Everything is stopped and removed when the script ends.

: "${SYNOD_BIN:?names the directory of synodd and synod}"

declare -A MEMBER_PID=() MEMBER_CLIENTS=()
ENSEMBLE_DIR=
ENDPOINTS=
ENSEMBLE_PEERS=

ensemble_cleanup() {
	local name
	for name in "${!MEMBER_PID[@]}"; do
		[ -z "${MEMBER_PID[$name]}" ] || kill -KILL "${MEMBER_PID[$name]}" 2>/dev/null
	done
	wait 2>/dev/null
	[ -z "$ENSEMBLE_DIR" ] || rm -rf "$ENSEMBLE_DIR"
}

# Ports below those that the system gives to outgoing connections, so that a member that is down
# finds its own free when it comes back.  A port that somebody listens on is passed over.
ensemble_ports() {
	local name peer peers='' endpoints=''
	for name in "$@"; do
		peer=$(free_port) || return
		MEMBER_CLIENTS[$name]=127.0.0.1:$(free_port) || return
		peers+=,$name=127.0.0.1:$peer
		endpoints+=,${MEMBER_CLIENTS[$name]}
	done
	ENSEMBLE_PEERS=${peers#,}
	ENDPOINTS=${endpoints#,}
}

free_port() {
	local port
	for _ in {1..100}; do
		port=$((10000 + SRANDOM % 20000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
	echo "no free port found" >&2
	return 1
}

# member_start NAME: in the background, its log in ENSEMBLE_DIR/NAME.log.
member_start() {
	"$SYNOD_BIN/synodd" --name "$1" --data "$ENSEMBLE_DIR/$1" --peers "$ENSEMBLE_PEERS" \
		--clients "${MEMBER_CLIENTS[$1]}" </dev/null >>"$ENSEMBLE_DIR/$1.log" 2>&1 &
	MEMBER_PID[$1]=$!
}

member_runs() {
	[ -n "${MEMBER_PID[$1]:-}" ] && kill -0 "${MEMBER_PID[$1]}" 2>/dev/null
}

member_kill() {
	kill -KILL "${MEMBER_PID[$1]}"
	wait "${MEMBER_PID[$1]}" 2>/dev/null || true
	MEMBER_PID[$1]=
}

# SIGTERM; the member's exit status.
member_stop() {
	local pid=${MEMBER_PID[$1]}
	MEMBER_PID[$1]=
	kill -TERM "$pid"
	wait "$pid"
}

ensemble_status() {
	"$SYNOD_BIN/synod" -e "$ENDPOINTS" status "$@"
}

ensemble_leader() {
	ensemble_status 2>/dev/null | awk '$2 == "leader" { print $1; exit }'
}

# Wait until all members answer, at one slot with one state hash; at most $1 seconds.
ensemble_agrees() {
	ensemble_status --wait "$1" >/dev/null 2>&1
}

ensemble_start() {
	local name
	ENSEMBLE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/synod-XXXXXX") || return
	trap ensemble_cleanup EXIT
	trap 'exit 130' INT TERM
	# Somebody may take a port between the look and the start: then once more, with others.
	for _ in 1 2 3; do
		ensemble_ports "$@" || return
		for name in "$@"; do
			member_start "$name"
		done
		ensemble_agrees 15 && return
		for name in "$@"; do
			member_runs "$name" && member_kill "$name"
		done
		grep -qs 'in use' "$ENSEMBLE_DIR"/*.log || break
		rm -rf "${ENSEMBLE_DIR:?}"/*
	done
	echo "the members did not start; the ends of their logs:" >&2
	tail -n 5 "$ENSEMBLE_DIR"/*.log >&2
	return 1
}
