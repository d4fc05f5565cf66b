#!/usr/bin/env bash
# What Synod does, on real input, explained as it happens: `make demo`.
#
# Three members on loopback; the machine's own files loaded into the namespace
# and compared byte by byte; the leader killed while a writer goes on; the dead
# member brought back.  Ends non-zero if anything was lost.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${SYNOD_BIN:=$PWD/build/release}"
export SYNOD_BIN
# shellcheck source=tests/support/ensemble.sh
. tests/support/ensemble.sh

readonly GAP_SECONDS=8
step=0

if [ -t 1 ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
	bold='' plain=''
fi

say() {
	step=$((step + 1))
	printf '\n%s%d. %s%s\n' "$bold" "$step" "$1" "$plain"
	shift
	[ $# = 0 ] || printf '   %s\n' "$@"
}

indent() {
	sed 's/^/   | /'
}

lost() {
	printf '\n%sFAILED:%s %s\n' "$bold" "$plain" "$1"
	[ -z "$ENSEMBLE_DIR" ] || tail -n 5 "$ENSEMBLE_DIR"/*.log 2>/dev/null | indent
	exit 1
}

seconds_since() {
	awk -v ns=$(($(date +%s%N) - $1)) 'BEGIN { printf "%.1f", ns / 1e9 }'
}

synod() {
	"$SYNOD_BIN/synod" -e "$ENDPOINTS" "$@"
}

# Another member than the one that leads: what it answers has come to it through Paxos.
follower() {
	local name leader
	leader=$(ensemble_leader)
	for name in a b c; do
		[ "$name" = "$leader" ] || { echo "$name"; return; }
	done
}

start_three() {
	local started
	say "Start three members: a, b and c." \
		"Each is a process with a data directory of its own; they agree through Paxos." \
		"Two of the three are a majority: the loss of any one is borne."
	started=$(date +%s%N)
	ensemble_start a b c || lost "the members did not start"
	leader=$(ensemble_leader)
	echo "   all three serve after $(seconds_since "$started") s; they have elected $leader:"
	ensemble_status | indent
}

# What was left out because it cannot be a node, or because this user may not read it, is named and
# counted, and no loss; anything else that the command complains of is.
only_left_out() {
	! grep '^synod: ' "$1" | grep -qv ': not \(imported\|compared\): '
}

load() {
	local status=0
	echo "   synod import $1 $1"
	synod import --skip-large --skip-invalid "$1" "$1" >"$ENSEMBLE_DIR/import" 2>&1 || status=$?
	grep -v '^synod: ' "$ENSEMBLE_DIR/import" | indent
	if [ "$status" != 0 ] && ! only_left_out "$ENSEMBLE_DIR/import"; then
		grep '^synod: ' "$ENSEMBLE_DIR/import" | indent
		lost "import of $1"
	fi
}

count_nodes() {
	find "${trees[@]}" -type f -o -type d 2>/dev/null | wc -l
}

load_files() {
	trees=(/etc)
	[ "$(count_nodes)" -ge 3000 ] || trees+=(/usr/share/doc)
	[ "$(count_nodes)" -ge 3000 ] || trees+=(/usr/include)
	say "Load this machine's own files (${trees[*]}) into the namespace." \
		"A directory becomes a node, a file a node with the file's bytes." \
		"Each write is answered when a majority has it on disk." \
		"Links, devices and files above 1 MiB are left out and counted."
	local tree
	for tree in "${trees[@]}"; do
		load "$tree"
	done
	ensemble_agrees 20 || lost "the members did not come to the same state"
}

compare_files() {
	local other tree
	other=$(follower)
	say "Read everything back from $other, which does not lead, and compare every byte." \
		"What it has, it has learnt from $(ensemble_leader); it answers from its own database."
	for tree in "${trees[@]}"; do
		"$SYNOD_BIN/synod" -e "${MEMBER_CLIENTS[$other]}" import --compare --consistency local \
			--skip-large --skip-invalid "$tree" "$tree" >"$ENSEMBLE_DIR/compare" 2>&1
		grep -v '^synod: ' "$ENSEMBLE_DIR/compare" | indent
		grep -q ': no differences' "$ENSEMBLE_DIR/compare" ||
			{ indent <"$ENSEMBLE_DIR/compare"; lost "$tree differs from what was loaded"; }
		only_left_out "$ENSEMBLE_DIR/compare" || { indent <"$ENSEMBLE_DIR/compare"; lost "comparison of $tree"; }
	done
}

kill_the_leader() {
	local pid
	leader=$(ensemble_leader)
	say "Kill the leader while a writer goes on." \
		"A writer writes without pause for $GAP_SECONDS s, one write after the other, and notes" \
		"each one that was acknowledged.  After 2 s the leader, $leader, gets SIGKILL."
	synod bench gap --seconds "$GAP_SECONDS" --record "$ENSEMBLE_DIR/acknowledged" \
		>"$ENSEMBLE_DIR/gap" 2>&1 &
	writer=$!
	sleep 2
	pid=${MEMBER_PID[$leader]}
	member_kill "$leader"
	echo "   killed $leader (process $pid)"
	wait "$writer" || { indent <"$ENSEMBLE_DIR/gap"; lost "the writer did not get through"; }
	dead=$leader
	leader=$(ensemble_leader)
	if [ -z "$leader" ] || [ "$leader" = "$dead" ]; then
		lost "nobody took over"
	fi
	echo "   $leader leads now.  What the writer saw:"
	indent <"$ENSEMBLE_DIR/gap"
}

bring_it_back() {
	local started
	say "Start $dead again." \
		"It reads its journal, learns from $leader what it has missed, and applies it." \
		"The hash of its whole state must then be that of the others."
	started=$(date +%s%N)
	member_start "$dead"
	ensemble_agrees 20 || { ensemble_status | indent; lost "$dead did not catch up"; }
	echo "   caught up after $(seconds_since "$started") s:"
	ensemble_status | indent
	ensemble_status --json >"$ENSEMBLE_DIR/status" || lost "status"
	hashes=$(sed 's/"state_hash"/\n&/g' "$ENSEMBLE_DIR/status" |
		sed -n 's/^"state_hash"[^0-9a-f]*\([0-9a-f]*\).*/\1/p' | sort -u)
	[ "$(grep -c . <<<"$hashes")" = 1 ] || lost "the state hashes differ: $hashes"
	echo "   one hash on all three: $hashes"
}

check_the_writes() {
	say "Check every write that was acknowledged, against the restarted $dead itself."
	"$SYNOD_BIN/synod" -e "${MEMBER_CLIENTS[$dead]}" bench gap --check "$ENSEMBLE_DIR/acknowledged" \
		>"$ENSEMBLE_DIR/check" 2>&1 || { indent <"$ENSEMBLE_DIR/check"; lost "an acknowledged write is gone"; }
	indent <"$ENSEMBLE_DIR/check"
}

stop_all() {
	local name
	say "Stop the three members, and remove what was made in ${ENSEMBLE_DIR%/*}."
	for name in a b c; do
		member_stop "$name" || lost "$name ended with status $?"
	done
}

total=$(date +%s%N)
start_three
load_files
compare_files
kill_the_leader
bring_it_back
check_the_writes
stop_all
printf '\n%sNothing that was acknowledged was lost.%s  The whole took %s s.\n' \
	"$bold" "$plain" "$(seconds_since "$total")"
