#!/usr/bin/env bash
# What lives as long as its owner, from the command line: watches, leases, sessions, locks, elections.
# shellcheck disable=SC2317 # the parts are called by their names
set -eu
# shellcheck source=tests/support/ensemble.sh
. tests/support/ensemble.sh
# shellcheck source=tests/support/cli.sh
. tests/support/cli.sh

# field NAME COMMAND...: the value of "NAME: value" in what it prints.
field() {
	local name=$1
	shift
	"$@" | sed -n "s/^$name: //p"
}

is_held() {
	synod locks "$1" | grep -q ' holds '
}

# ---- the parts ----

leases() {
	local lease kept at
	lease=$(synod lease grant 1)
	kept=$(synod lease grant 1)
	spawn keep lease keep "$kept"
	synod create --lease "$lease" /left x
	synod create --lease "$kept" /kept x
	[ "$(field kind synod stat /kept)" = leased ]
	[ "$(field owner synod stat /kept)" = "$kept" ]
	[ "$(field owner_kind synod stat /kept)" = lease ]
	[ "$(field owner_remaining_ms synod stat /kept)" -le 1000 ]
	synod lease show "$kept" | grep -qx '  /kept'
	synod who /kept | grep -qx "lease: $kept"
	synod lease ls | grep -q "^ *$kept "
	synod lease ls --json | grep -q "\"id\":$kept,\"kind\":\"lease\",\"timeout_ms\":1000"

	at=$(milliseconds)
	until_true test_gone /left
	synod log /left | grep -q 'deleted .*(expired)'
	while [ $(($(milliseconds) - at)) -lt 2000 ]; do
		synod stat /kept >/dev/null # it is kept for much longer than its second
		sleep 0.1
	done
	kill -INT "$pid"
	ends 130 "$pid"
	until_true test_gone /kept

	lease=$(synod lease grant 2)
	spawn keep lease keep "$lease"
	until_true has "$out/keep" keeping
	synod put --lease "$lease" /r/1 -p -q x
	synod put --lease "$lease" /r/2 -q x
	synod lease revoke "$lease" | grep -q 'deleted 2'
	[ "$(synod log -r /r | grep -c 'deleted .*(revoked)')" = 2 ]
	[ "$(synod log -r /r | awk '/deleted/ { print $1 }' | uniq | wc -l)" = 1 ] # one revision
	ends 3 "$pid"
	has "$out/keep" 'NO_LEASE'
}

test_gone() {
	[ "$(synod stat "$1" 2>&1 | grep -c NOT_FOUND)" = 1 ]
}

watches() {
	local revision lease
	synod put -pq /watched/a 1
	lease=$(synod lease grant 60)
	spawn watch watch -r --initial -n 4 /watched
	until_true has "$out/watch" 'state .*/watched/a 0 "1"'
	synod put -q /watched/a 2
	synod create --lease "$lease" /watched/b 3 >/dev/null
	revision=$(synod lease revoke "$lease" | awk '{ print $2 }')
	synod delete -q /watched/a
	ends 0 "$pid"
	sed 's/^[0-9]* //' "$out/watch" >"$out/kinds"
	diff - "$out/kinds" <<-'END'
		state    /watched 0 -
		state    /watched/a 0 "1"
		modified /watched/a 1 "2"
		created  /watched/b 0 "3"
		deleted  /watched/b (revoked)
		deleted  /watched/a
	END

	# The past, once more: the same lines, and as JSON.
	synod watch -r --from "$revision" -n 2 /watched | diff - <(tail -n 2 "$out/watch")
	synod watch -r --from "$revision" -n 1 --json /watched |
		grep -q '"kind":"deleted","path":"/watched/b",.*"cause":"revoked"'

	# A command for each change, one after the other, whatever it ends with.
	# shellcheck disable=SC2016 # the command's own shell expands it
	synod watch --children --from "$revision" -n 3 /watched -- sh -c \
		'echo "$SYNOD_REVISION $SYNOD_PATH $SYNOD_KIND $SYNOD_VERSION $SYNOD_CAUSE <$(cat)>"; exit 9' \
		>"$out/commands" &
	pid=$!
	until_true has "$out/commands" '/watched/a deleted'
	printf 'two\nlines' | synod put -q /watched/c -
	ends 0 "$pid"
	grep -q "^$revision /watched/b deleted .* revoked <>\$" "$out/commands"
	grep -q '/watched/c created 0 request <two$' "$out/commands"
	[ "$(wc -l <"$out/commands")" = 4 ]

	revision=$(synod put /watched again | awk '{ print $2 }')
	spawn watch watch --from "$revision" /watched -- sh -c 'echo started; exec sleep 100'
	until_true has "$out/watch" started
	kill -TERM "$pid" # ends the command, too
	ends 143 "$pid"
}

locks() {
	local first session
	# shellcheck disable=SC2016
	exits 42 synod lock /locks/a -- sh -c '
		PATH=$SYNOD_BIN:$PATH
		synod put -q --guard "$SYNOD_LOCK:$SYNOD_LOCK_TOKEN" /fenced 1 || exit 1
		synod put -q --guard "$SYNOD_LOCK:$((SYNOD_LOCK_TOKEN + 1000))" /fenced 2
		[ $? = 6 ] || exit 2
		[ "$SYNOD_LOCK_DEADLINE_MS" -gt "$(date +%s%3N)" ] || exit 3
		echo "$SYNOD_LOCK $SYNOD_LOCK_TOKEN" >'"$out/held"'
		exit 42' 2>"$out/refused"
	[ "$(cut -d ' ' -f 1 "$out/held")" = /locks/a ]
	first=$(cut -d ' ' -f 2 "$out/held")
	refuses 6 FENCED put --guard "/locks/a:$first" /fenced 3
	[ "$(synod get /fenced)" = 1 ]
	exits 127 synod lock /locks/a -- "$out/missing" 2>/dev/null
	exits 126 synod lock /locks/a -- /etc/passwd 2>/dev/null

	# Held: others are turned away or wait; somebody ends the session, and the command with it.
	spawn lock lock --value me /locks/a -- sleep 100
	until_true is_held /locks/a
	refuses 4 HELD lock --wait 0 /locks/a -- true
	refuses 4 HELD lock --wait 0.1 /locks/a -- true
	refuses 4 'number of --holders' lock --holders 2 /locks/a -- true
	refuses 4 NO_CHILDREN create "/locks/a/$(synod ls /locks/a)/x"
	refuses 2 'by acquiring it' create /locks/a/x
	synod locks /locks/a | grep -q '^/locks/a .*holds .*exclusive .*"me"$'
	session=$(synod locks --json /locks/a | grep -o '"session":[0-9]*' | cut -d : -f 2)
	synod session ls | grep -q "^ *$session "
	synod session show "$session" | grep -q '^  /locks/a/'
	synod who "/locks/a/$(synod ls /locks/a)" | grep -qx "session: $session"
	refuses 3 'of a session, not of a lease' lease revoke "$session"
	refuses 3 'of a session, not of a lease' lease show "$session"
	refuses 3 'of a session, not of a lease' lease keep "$session"
	refuses 3 'of a session, not of a lease' put --lease "$session" /x y
	synod session end "$session" >/dev/null
	ends 6 "$pid"
	has "$out/lock" 'could not be counted on'
}

# Two that share, one that waits behind them; three of a semaphore.
sharing() {
	local one two three
	spawn one lock --shared /locks/shared -- sleep 100
	one=$pid
	spawn two lock --shared /locks/shared -- sleep 100
	two=$pid
	until_true test_holders /locks/shared 2
	spawn three lock /locks/shared -- true
	three=$pid
	until_true test_contenders /locks/shared 3
	synod locks /locks/shared | grep -q ' waits  *exclusive '
	kill -TERM "$one" "$two"
	ends 143 "$one"
	ends 143 "$two"
	ends 0 "$three"

	spawn one lock --holders 2 /locks/semaphore -- sleep 100
	one=$pid
	spawn two lock --holders 2 /locks/semaphore -- sleep 100
	two=$pid
	until_true test_holders /locks/semaphore 2
	refuses 4 HELD lock --holders 2 --wait 0 /locks/semaphore -- true
	kill -TERM "$one" "$two"
	ends 143 "$one"
	ends 143 "$two"
}

test_holders() {
	[ "$(synod locks "$1" | grep -c ' holds ')" = "$2" ]
}

test_contenders() {
	[ "$(synod ls "$1" | wc -l)" = "$2" ]
}

# The command gets the signals that synod gets, and decides; its code is passed on.
signals() {
	local signal code=8
	for signal in TERM INT; do
		code=$((code + 1))
		spawn "signal$signal" lock /locks/signals -- bash -c "
			trap 'exit $code' $signal
			echo ready
			while :; do sleep 0.02; done"
		until_true has "$out/signal$signal" ready
		kill "-$signal" "$pid"
		ends "$code" "$pid"
	done
	# So does the waiting for a lock end, and nothing is left of it.
	spawn lock lock /locks/signals -- sleep 100
	code=$pid
	until_true is_held /locks/signals
	spawn waits lock /locks/signals -- true
	until_true test_contenders /locks/signals 2
	kill -INT "$pid"
	ends 130 "$pid"
	until_true test_contenders /locks/signals 1
	kill -TERM "$code"
	ends 143 "$code"
	# What the command leaves behind in its group ends with the lock.
	exits 0 synod lock /locks/signals -- bash -c "sleep 100 & echo \$! >'$out/left'"
	until_true test_dead "$(cat "$out/left")"
}

# Gone, or a zombie that nobody has collected yet.
test_dead() {
	local state
	state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || true
	[ -z "$state" ] || [ "$state" = Z ]
}

elections() {
	local a
	spawn a elect /leaders/x --value host-a -- sleep 100
	a=$pid
	until_true is_held /leaders/x
	# shellcheck disable=SC2016
	spawn b elect /leaders/x --value host-b -- sh -c '"$SYNOD_BIN/synod" locks /leaders/x'
	until_true test_contenders /leaders/x 2
	synod locks /leaders | grep -q ' holds .*"host-a"$'
	synod locks --json /leaders/x | grep -q '"lock":"/leaders/x","holders_max":1,"contenders":\[{'
	kill -TERM "$a"
	ends 143 "$a"
	ends 0 "$pid"
	has "$out/b" ' holds .*"host-b"$'
	[ "$(synod locks /leaders/x | awk 'NR == 2 { print $2 }')" = free ]
}

# The holder is stopped for longer than its session lives: the lock goes on with a larger token, and
# the old one's writes are refused, though its command still runs.
stopped_holder() {
	local holder second
	# shellcheck disable=SC2016
	spawn holder lock --session-timeout 1 /locks/stopped -- bash -c '
		echo "token $SYNOD_LOCK_TOKEN"
		until [ -e "'"$out/go"'" ]; do sleep 0.02; done
		"$SYNOD_BIN/synod" put --guard "$SYNOD_LOCK:$SYNOD_LOCK_TOKEN" /late 1
		echo "code $?"
		sleep 100'
	holder=$pid
	until_true has "$out/holder" token
	kill -STOP "$holder"
	# shellcheck disable=SC2016
	second=$(synod lock --wait 30 /locks/stopped -- sh -c 'echo $SYNOD_LOCK_TOKEN')
	[ "$second" -gt "$(sed -n 's/^token //p' "$out/holder")" ]
	touch "$out/go"
	until_true has "$out/holder" code
	has "$out/holder" 'code 6'
	has "$out/holder" FENCED
	kill -CONT "$holder"
	ends 6 "$holder"
}

bad_input() {
	refuses 3 NO_LEASE lease revoke 999999
	refuses 3 NO_LEASE lease keep 999999
	refuses 3 NO_LEASE lease show 999999
	refuses 3 NO_LEASE session end 999999
	refuses 3 NO_LEASE put --lease 999999 /x y
	refuses 2 '1 second to 7 days' lease grant 0
	refuses 2 '1 second to 7 days' lease grant 999999
	refuses 2 "'-5' is not a number of seconds" lease grant -- -5
	refuses 2 "'1e9' is not a number of seconds" lease grant 1e9
	refuses 2 'for how many seconds' lease grant
	refuses 2 'none of grant' lease fly
	refuses 2 "'x' is not the number of a lease" lease show x
	refuses 2 'which session' session end
	refuses 2 '1 second to 10 years' put --ttl 0 /x y
	refuses 2 '999999999999' put --ttl 999999999999 /x y
	refuses 2 'exclude each other' put --ttl 5 --container /x y
	refuses 2 BAD_PATH watch no/slash
	refuses 2 'in the future' watch --from 99999999 /x
	refuses 6 FENCED put --guard /no/lock:5 /x y
	refuses 2 'not the path of a lock' put --guard /no/token /x y
	refuses 2 'not the path of a lock' put --guard no-slash:5 /x y
	refuses 2 BAD_PATH lock no-slash -- true
	synod put -q /plain x
	refuses 4 NOT_A_LOCK lock /plain -- true
	refuses 2 'argument is missing' lock /locks/a
	refuses 2 'exclude each other' lock --shared --holders 2 /locks/a -- true
	refuses 2 '1 to 10000' lock --holders 0 /locks/a -- true
	refuses 2 '1 to 10000' lock --holders 4294967297 /locks/a -- true
	refuses 2 '1 to 3600' lock --session-timeout 0.5 /locks/a -- true
	refuses 2 '1 to 3600' lock --session-timeout 0 /locks/a -- true
	refuses 2 'at most 600' lock --delay 601 /locks/a -- true
	refuses 2 "'-1' is not a number of seconds" lock --wait -1 /locks/a -- true
	refuses 2 '.--value VALUE' elect /leaders/x -- true
	refuses 3 NOT_FOUND who /nowhere
	refuses 3 NOT_FOUND locks /nowhere
	synod who /plain | grep -q '^nobody'
}

documented() {
	local command
	# shellcheck source=/dev/null
	. etc/completions/synod.bash
	for command in watch lease session lock elect locks who; do
		synod "$command" --help >"$out/help"
		has "$out/help" "^usage: synod $command "
		has "$out/help" '^examples:'
		has etc/man/synod.1 "^\.It Cm $command\( \|\$\)"
		_synod_commands | grep -qx "$command"
	done
}

# Members that cannot be reached: the command, which ignores SIGTERM, and what it started in the
# background are dead before the ensemble could have given the lock to somebody else.
lost_majority() {
	local at deadline_ms remaining_ms process other
	ensemble_start a b c
	export SYNOD_ENDPOINTS=$ENDPOINTS
	out=$ENSEMBLE_DIR
	# shellcheck disable=SC2016
	spawn lock lock --session-timeout 4 /lock -- bash -c '
		cd "$0"
		trap "" TERM
		while echo "${EPOCHREALTIME/[.,]/}" >>beats; do sleep 0.02; done &
		echo "$$ $!" >processes
		while :; do sleep 0.02; done' "$out"
	until_true test -s "$out/processes"
	until_true test -s "$out/beats"
	# The leader says how long the session has; it was just kept, so that this is so for a while.
	for _ in {1..100}; do
		at=$(milliseconds)
		remaining_ms=$(field owner_remaining_ms synod stat "/lock/$(synod ls /lock)")
		[ "$remaining_ms" -gt 3500 ] || continue
		kill -STOP "${MEMBER_PID[a]}" "${MEMBER_PID[b]}"
		deadline_ms=$((at + remaining_ms))
		[ $(($(milliseconds) - at)) -ge 500 ] || break
		kill -CONT "${MEMBER_PID[a]}" "${MEMBER_PID[b]}"
	done
	ends 6 "$pid"
	has "$out/lock" 'could not be counted on'
	read -r process other <"$out/processes"
	until_true test_dead "$process"
	until_true test_dead "$other"
	at=$(($(tail -n 1 "$out/beats") / 1000))
	[ "$at" -lt "$deadline_ms" ] || fail "ran $((at - deadline_ms)) ms too long"
	# It was not stopped needlessly early either.
	[ "$at" -gt $((deadline_ms - 3000)) ] || fail "stopped $((deadline_ms - at)) ms too early"
	kill -CONT "${MEMBER_PID[a]}" "${MEMBER_PID[b]}"
	exits 0 synod lock --wait 60 /lock -- true
}

# ---- side by side ----

(lost_majority) &
majority=$!
ensemble_start a b c
export SYNOD_ENDPOINTS=$ENDPOINTS SYNOD_BIN
base=$ENSEMBLE_DIR
declare -A parts=()
for part in leases watches locks sharing signals elections stopped_holder bad_input documented; do
	mkdir "$base/out-$part"
	(
		trap - EXIT # the members are not this part's to end
		out=$base/out-$part
		exec {BASH_XTRACEFD}>"$base/$part.log"
		set -x
		$part
	) >>"$base/$part.log" 2>&1 &
	parts[$part]=$!
done
failed=0
for part in "${!parts[@]}"; do
	wait "${parts[$part]}" || {
		echo "$part failed:"
		tail -n 30 "$base/$part.log"
		failed=1
	}
done
wait "$majority" || {
	echo "lost_majority failed"
	failed=1
}
exit "$failed"
