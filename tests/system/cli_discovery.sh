#!/usr/bin/env bash
# Discovery from the command line: instances that commands are, what finds them, and what befalls them.
# shellcheck disable=SC2317 # the parts are called by their names
set -eu
# shellcheck source=tests/support/ensemble.sh
. tests/support/ensemble.sh
# shellcheck source=tests/support/cli.sh
. tests/support/cli.sh

# health SERVICE ID: what its record says, with what the ensemble says of it; "-" if there is none.
health() {
	synod service show "$1" 2>/dev/null | awk -v id="$2" '$1 == id { print $3; found = 1 }
		END { if (!found) print "-" }'
}

# is HEALTH SERVICE ID
is() {
	[ "$(health "$2" "$3")" = "$1" ]
}

# Gone, or a zombie that nobody has collected yet.
is_dead() {
	local state
	state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || true
	[ -z "$state" ] || [ "$state" = Z ]
}

# ---- the parts ----
#
# Leaving waits for the ensemble for as long as a busy machine may need.

# A command runs with its environment, is found while it runs, and leaves its code and nothing else.
running() {
	# shellcheck disable=SC2016 # the command's own shell expands it
	exits 42 synod run --timeout 60 --service running --port 8080 --address 10.1.2.3 --id one --zone a --tag blue \
		--tag green --meta team=x --weight 7 --service-version 1.2 -- bash -c '
		PATH=$SYNOD_BIN:$PATH
		synod resolve --wait 20 --json "$SYNOD_SERVICE" >'"$out/resolved"'
		[ "$SYNOD_INSTANCE $SYNOD_ENDPOINTS" = "one '"$SYNOD_ENDPOINTS"'" ] || exit 1
		until grep -q registered '"$out/run"'; do sleep 0.02; done
		exit 42' 2>"$out/run"
	has "$out/resolved" '^\[{"id":"one","address":"10.1.2.3","port":8080,"state":"passing","suspect":false,"weight":7,"zone":"a","version":"1.2","tags":\["blue","green"\],"metadata":{"team":"x"},"owner":[1-9]'
	has "$out/run" 'registered as 10.1.2.3:8080$'
	is - running one
	refuses 3 'no instance (NOT_FOUND)' resolve running

	# The own address is found, and said; the id follows from it.
	exits 0 synod run --timeout 60 --service running --port 81 -- sh -c \
		"'$SYNOD_BIN/synod' resolve --wait 20 running
		until grep -q registered '$out/local'; do sleep 0.02; done" >"$out/resolved" 2>"$out/local"
	has "$out/resolved" '^127.0.0.1-81 *127.0.0.1:81 '
	has "$out/local" 'registered as 127.0.0.1:81, the own address towards '

	# What cannot be started is not found either; a signal's end is told as shells tell it.
	exits 127 synod run --timeout 60 --service running --port 81 -- "$out/missing" 2>/dev/null
	exits 126 synod run --timeout 60 --service running --port 81 -- /etc/passwd 2>/dev/null
	# shellcheck disable=SC2016
	exits 137 synod run --timeout 60 -q --service running --port 81 -- sh -c 'kill -KILL $$'
	[ "$(synod services | awk '$1 == "running" { print $2 }')" = 0 ]
}

# Nothing of it is taken for what was closed, and no message goes there.
closed() {
	local fd
	"$SYNOD_BIN/synod" run --timeout 60 --service closed --port 1 --id a --check 'cmd:true' -- sleep 100 <&- >&- 2>&- &
	pid=$!
	until_true is passing closed a
	for fd in 0 1 2; do
		[ "$(readlink "/proc/$pid/fd/$fd")" = /dev/null ]
	done
	kill -TERM "$pid"
	ends 143 "$pid"
	exits 1 synod services >&- 2>"$out/services"
	has "$out/services" 'standard output: '
}

# Whoever does not read its messages does not keep it from being registered.
unread() {
	local fifo reader
	mkfifo "$out/fifo"
	exec {fifo}<>"$out/fifo"
	# shellcheck disable=SC2016 # the check's own shell expands it
	"$SYNOD_BIN/synod" run --timeout 60 --service unread --port 1 --id a --session-timeout 1 --rise 1 --fall 1 \
		--check "cmd:: $(printf '%3900s' ''); if [ -e '$out/even' ]; then rm '$out/even'; else touch '$out/even'; exit 1; fi" \
		--check-interval 0.1 -- sleep 100 2>&"$fifo" &
	pid=$!
	# The messages are too many for the pipe, but changes go on.
	for _ in {1..15}; do
		until_true is warning unread a
		until_true is passing unread a
	done
	cat <&"$fifo" >/dev/null &
	reader=$!
	kill -TERM "$pid"
	ends 143 "$pid"
	kill "$reader"
}

# Starting until it passes, critical when it fails, passing when it is well again.
checking() {
	spawn run run --timeout 60 --service checking --port 1 --id a --check "cmd:test -e '$out/ready' || exit 2" \
		--check "tcp:${SYNOD_ENDPOINTS%%,*}" --check-interval 0.1 --fall 2 -- sleep 100
	until_true is starting checking a
	until_true has "$out/run" 'critical: '
	is starting checking a
	refuses 3 '1 starting (NOT_FOUND)' resolve checking
	touch "$out/ready"
	until_true is passing checking a
	rm "$out/ready"
	until_true is critical checking a
	refuses 3 '1 critical (NOT_FOUND)' resolve checking
	touch "$out/ready"
	until_true is passing checking a
	kill -TERM "$pid"
	ends 143 "$pid"
	is - checking a
}

# In order: draining, deregistered, told to stop; and killed if that is not enough.
stopping() {
	# shellcheck disable=SC2016
	spawn run run --timeout 60 --service stopping --port 1 --id a --drain 2 -- bash -c '
		trap "\"$SYNOD_BIN/synod\" service show stopping >'"$out/shown"'; exit 9" TERM
		trap "echo user" USR1
		echo ready
		while :; do sleep 0.02; done'
	until_true is passing stopping a
	until_true has "$out/run" ready
	kill -USR1 "$pid"
	until_true has "$out/run" user
	kill -TERM "$pid"
	until_true is draining stopping a
	[ ! -e "$out/shown" ]
	ends 9 "$pid"
	has "$out/shown" '^0 instances'

	# A second signal kills the group, while it drains and when it was told to stop.
	spawn run run --timeout 60 -q --service stopping --port 1 --id b --drain 100 -- bash -c \
		"trap '' TERM; sleep 100 & echo \$! >'$out/other'; wait; sleep 100"
	until_true is passing stopping b
	until_true test -s "$out/other"
	kill -INT "$pid"
	until_true is draining stopping b
	kill -TERM "$pid"
	ends 137 "$pid"
	until_true is_dead "$(cat "$out/other")"
	is - stopping b

	spawn run run --timeout 60 --service stopping --port 1 --id c --kill-after 0.3 -- bash -c \
		"trap '' TERM; echo ready; while :; do sleep 0.02; done"
	until_true is passing stopping c
	until_true has "$out/run" ready
	kill -TERM "$pid"
	ends 137 "$pid"
	has "$out/run" 'did not stop in time'

	# A command that ends while it drains is not waited for.
	spawn run run --timeout 60 -q --service stopping --port 1 --id d --drain 100 -- bash -c \
		"until [ -e '$out/go' ]; do sleep 0.02; done; exit 5"
	until_true is passing stopping d
	kill -HUP "$pid"
	until_true is draining stopping d
	touch "$out/go"
	ends 5 "$pid"
	is - stopping d
}

# Somebody else has the registration: it is said, and the command goes on, or does not.
losing() {
	local first
	spawn first run --timeout 60 --service losing --port 1 --id a -- sleep 100
	first=$pid
	until_true is passing losing a
	spawn second run --timeout 60 --service losing --port 2 --id a --stop-when-lost -- sleep 100
	until_true has "$out/first" 'taken over: .* goes on without'
	until_true is passing losing a
	synod resolve losing | grep -q '^a *127.0.0.1:2 '
	kill -TERM "$first" # which must not take away what is another's now
	ends 143 "$first"
	is passing losing a
	synod service remove losing a | grep -qx 'removed losing/a'
	ends 6 "$pid"
	has "$out/second" 'removed: .* ends$'
	is - losing a

	spawn drained run --timeout 60 --service losing --port 1 --id b -- sleep 100
	first=$pid
	# shellcheck disable=SC2016
	spawn stopped run --timeout 60 --service losing --port 1 --id c --stop-when-lost -- bash -c \
		'trap "exit 9" TERM; while :; do sleep 0.02; done'
	until_true is passing losing b
	until_true is passing losing c
	synod service drain losing b | grep -qx 'draining losing/b'
	synod service drain losing c >/dev/null
	ends 9 "$pid"
	is - losing c
	until_true has "$out/drained" 'draining: '
	is draining losing b
	kill -TERM "$first"
	ends 143 "$first"
	is - losing b
}

registering() {
	local first
	spawn register register --timeout 60 registering --address db.example --port 5432 --id db
	until_true has "$out/register" '^registered registering/db db.example:5432$'
	[ "$(wc -l <"$out/register")" = 1 ]
	until_true is passing registering db
	kill -INT "$pid"
	ends 0 "$pid"
	is - registering db
	spawn register register --timeout 60 registering --address ::1 --port 5432 --id db --json --drain 100
	until_true has "$out/register" '^{"service":"registering","id":"db","address":"::1","port":5432}$'
	until_true is passing registering db
	synod resolve registering --pick random | grep -qx '\[::1\]:5432'
	kill -TERM "$pid"
	until_true is draining registering db
	kill -TERM "$pid"
	ends 0 "$pid"
	is - registering db
	spawn register register --timeout 60 registering --port 1 --id db
	first=$pid
	until_true is passing registering db
	spawn other register --timeout 60 -q registering --port 1 --id db
	ends 6 "$first"
	has "$out/register" 'taken over: .* ends$'
	kill -TERM "$pid"
	ends 0 "$pid"
}

# put SERVICE ID RECORD: as any client could.
put() {
	synod put -pq "/services/$1/$2" "$3"
}

resolving() {
	put resolving a '{"address":"10.0.0.1","port":1,"zone":"x","tags":["blue","green"]}'
	put resolving b '{"address":"10.0.0.2","port":2,"zone":"y","tags":["blue"],"metadata":{"k":"v"}}'
	put resolving c '{"address":"10.0.0.3","port":3,"state":"warning","version":"2","weight":5}'
	put resolving d '{"address":"10.0.0.4","port":4,"state":"critical"}'
	put resolving e 'no record'
	put resolving f '{"address":"10.0.0.6"}'
	synod resolve resolving | diff - <(cat <<-'END'
		ID  ADDRESS     HEALTH   WEIGHT  ZONE  VERSION  TAGS
		a   10.0.0.1:1  passing     100  x     -        blue,green
		b   10.0.0.2:2  passing     100  y     -        blue
		c   10.0.0.3:3  warning       5  -     2        -
	END
	)
	[ "$(ids --all)" = 'a b c d' ]
	[ "$(ids --health critical,warning)" = 'c d' ]
	[ "$(ids --tag blue)" = 'a b' ]
	[ "$(ids --tag blue --tag green)" = a ]
	[ "$(ids --meta k)" = b ]
	[ "$(ids --meta k=v)" = b ]
	[ "$(ids --zone x)" = a ]
	[ "$(ids --service-version 2)" = c ]
	refuses 3 'no instance is as asked for; there are 2 passing, 1 warning, 1 critical, 2 malformed' \
		resolve resolving --meta k=w
	[ "$(synod resolve resolving --json --zone nowhere 2>/dev/null)" = '[]' ]
	synod resolve resolving --pick two-choices | grep -qx '10.0.0.[123]:[123]'
	synod resolve resolving --pick least --health critical | grep -qx 10.0.0.4:4
	synod resolve resolving --pick weighted --json --zone y | grep -q '^{"id":"b","address":"10.0.0.2","port":2,'
	synod resolve resolving --pick random --prefer-zone y | grep -qx '10.0.0.[123]:[123]'
	[ "$(synod resolve resolving --pick hash:k)" = "$(synod resolve resolving --pick hash:k)" ]
	[ "$(for _ in {1..60}; do synod resolve resolving --pick random; done | sort -u | wc -l)" -gt 1 ]

	# The wait ends when there is one.
	spawn wait resolve --wait 30 --zone z resolving
	put resolving z '{"address":"::1","port":26,"zone":"z"}'
	ends 0 "$pid"
	has "$out/wait" '^z *\[::1\]:26 '
	exits 3 synod resolve --wait 0.1 --zone nowhere resolving 2>/dev/null
	refuses 3 "did you mean 'resolving'" resolve reslving
}

ids() {
	synod resolve resolving "$@" | awk 'NR > 1 { print $1 }' | paste -sd ' '
}

watching() {
	spawn watch resolve --watch watching
	put watching a '{"address":"h","port":1}'
	until_true has "$out/watch" '^added    a h:1 passing 100 - - -$'
	put watching b '{"address":"h","port":2,"tags":["t"]}'
	put watching a '{"address":"h","port":1,"weight":5}'
	until_true has "$out/watch" '^changed  a h:1 passing 5 - - -$'
	synod delete -q /services/watching/b
	until_true has "$out/watch" '^removed  b h:2 passing 100 - - t$'
	put watching a '{"address":"h","port":1,"state":"critical"}'
	until_true has "$out/watch" '^removed  a h:1 passing 5 - - -$'
	kill -INT "$pid"
	ends 130 "$pid"
	spawn watch resolve --watch --all --json watching
	until_true has "$out/watch" '^{"kind":"added","instance":{"id":"a","address":"h",.*"state":"critical"'
	kill -TERM "$pid"
	ends 143 "$pid"
}

operating() {
	put operating a '{"address":"h","port":1,"unknown":[1]}'
	put operating b '[]'
	synod service brake operating 30% | grep -qx 'brake of operating: 30%'
	synod service brake made 100 >/dev/null
	synod services | grep -q '^made  *0 .* 100%$'
	synod services | grep -q '^operating  *2  *1  *0  *0  *0  *0  *0  *1  30%$'
	synod services --json | grep -q '"service":"operating","instances":2,"passing":1,"warning":0,"starting":0,"critical":0,"draining":0,"suspect":0,"malformed":1,"brake_percent":30,"brake_holds":false'
	synod service show operating >"$out/show"
	has "$out/show" '^a *h:1 *passing  *- '
	has "$out/show" '^b *- *malformed *- *[0-9]* *the record: '
	has "$out/show" '^2 instances, 0 suspect; the brake (30%) does not hold$'
	synod service show --json operating | grep -q '"malformed":\[{"id":"b","suspect":false,.*"reason":"the record'
	synod service drain operating a >/dev/null
	is draining operating a
	synod get /services/operating/a | grep -q '"unknown":\[1\]'
	refuses 2 'cannot be read' service drain operating b
	synod service remove -q operating b
	is - operating b
	refuses 3 'no such instance' service remove operating b
	refuses 3 'no such instance (NOT_FOUND)' service drain operating other
	put named instance-1 '{"address":"h","port":1}'
	refuses 3 "did you mean 'instance-1'" service drain named instanc-1
	refuses 3 "no such service; did you mean 'operating'" service show opertaing
}

# What is killed becomes suspect, and goes; when most go, the brake holds them.
suspecting() {
	local id sound watch processes=()
	spawn run run --timeout 60 -q --service alone --port 1 --id a --session-timeout 1 -- sh -c \
		"echo \$\$ >'$out/command'; exec sleep 100"
	until_true is passing alone a
	until_true test -s "$out/command"
	kill -KILL "$pid"
	ends 137 "$pid"
	kill -KILL "$(cat "$out/command")"
	until_true is - alone a
	synod log /services/alone/a >"$out/log"
	has "$out/log" 'modified .*(expired)$'
	tail -n 1 "$out/log" | grep -q 'deleted .*(expired)$'

	for id in a b c; do
		spawn "run-$id" run --timeout 60 -q --service many --port 1 --id "$id" --session-timeout 3 -- sh -c \
			"echo \$\$ >'$out/command-$id'; exec sleep 100"
		processes+=("$pid")
		until_true is passing many "$id"
		until_true test -s "$out/command-$id"
	done
	spawn sound run --timeout 60 -q --service many --port 1 --id sound -- sleep 100
	sound=$pid
	until_true is passing many sound
	spawn watch resolve --watch many
	watch=$pid
	until_true has "$out/watch" '^added    sound'
	kill -KILL "${processes[@]}"
	kill -KILL "$(cat "$out/command-a")" "$(cat "$out/command-b")" "$(cat "$out/command-c")"
	until_true has "$out/watch" '^held '
	synod services | grep -q '^many  *4  *1 .* 3  *0  50%,holds$'
	synod service show many | grep -q '^4 instances, 3 suspect; the brake (50%) holds: '
	[ "$(synod resolve many | grep -c ,suspect)" = 3 ]
	[ "$(synod resolve --all many | wc -l)" = 5 ]
	for id in a b c; do
		synod service remove -q many "$id"
	done
	until_true has "$out/watch" '^released '
	[ "$(synod resolve many | awk 'NR > 1 { print $1 }')" = sound ]
	kill -TERM "$watch"
	ends 143 "$watch"
	kill -TERM "$sound"
	ends 143 "$sound"
}

bad_input() {
	local grammar='1 to 63 of a-z' many
	refuses 2 'service NAME is missing' run
	refuses 2 'service NAME is missing' run web -- true
	refuses 2 'COMMAND to run is missing' run --service web --port 80
	refuses 2 'port PORT is missing' run --service web -- true
	refuses 2 "needs its PORT" run --service web --port
	refuses 2 '1 to 65535' run --service web --port 0 -- true
	refuses 2 '1 to 65535' run --service web --port 65536 -- true
	refuses 2 "'auto' is not a whole number" run --service web --port auto -- true
	refuses 2 "$grammar" run --service we/b --port 80 -- true
	refuses 2 "$grammar" run --service -- --port 80 -- true
	refuses 2 "$grammar" run --service "$(printf 'x%.0s' {1..64})" --port 80 -- true
	refuses 2 "$grammar" run --service web --id 'a b' --port 80 -- true
	refuses 2 'without port' run --service web --address 10.0.0.1:80 --port 80 -- true
	refuses 2 'not an address' run --service web --address '' --port 80 -- true
	refuses 2 '1 to 65535' run --service web --port 80 --weight 0 -- true
	refuses 2 '1 to 100' run --service web --port 80 --brake 101 -- true
	refuses 2 'is not NAME=VALUE' run --service web --port 80 --meta x -- true
	refuses 2 'no name before' run --service web --port 80 --meta =x -- true
	refuses 2 'there twice' run --service web --port 80 --meta x=1 --meta x=2 -- true
	refuses 2 'tags: empty' run --service web --port 80 --tag= -- true
	mapfile -t many < <(printf -- '--tag=t%d\n' {1..65})
	refuses 2 'more than 64 times' run --service web --port 80 "${many[@]}" -- true
	refuses 2 'none of http' run --service web --port 80 --check 127.0.0.1:80 -- true
	refuses 2 'https is not spoken' run --service web --port 80 --check https://a/ -- true
	refuses 2 'not HOST:PORT' run --service web --port 80 --check tcp:a -- true
	refuses 2 'host and port' run --service web --port 80 --check http:// -- true
	refuses 2 'target is missing' run --service web --port 80 --check cmd: -- true
	mapfile -t many < <(printf -- '--check=cmd:%d\n' {1..9})
	refuses 2 'at most 8 checks' run --service web --port 80 "${many[@]}" -- true
	refuses 2 'give a --check too' run --service web --port 80 --rise 2 -- true
	refuses 2 '1 to 1000' run --service web --port 80 --check cmd:true --rise 0 -- true
	refuses 2 '0.1 to 86400' run --service web --port 80 --check cmd:true --check-timeout 0 -- true
	refuses 2 '1 to 3600' run --service web --port 80 --session-timeout 0.5 -- true
	refuses 2 'at most 3600' run --service web --port 80 --drain 3601 -- true
	refuses 2 'at most 3600' run --service web --port 80 --kill-after 3601 -- true
	refuses 2 'unknown or ambiguous' register web --port 80 --kill-after 1
	refuses 2 'NAME of the service is missing' register --port 80
	refuses 2 'one argument too many' register web --port 80 sleep
	refuses 2 'no way to nowhere.invalid' -e nowhere.invalid:1 register web --port 80
	refuses 2 'NAME of the service is missing' resolve
	refuses 2 "$grammar" resolve /services/web
	refuses 3 'no such service' resolve absent
	refuses 2 'none of two-choices' resolve web --pick best
	refuses 2 "did you mean 'random'" resolve web --pick randm
	refuses 2 'hash:KEY' resolve web --pick hash
	refuses 2 "did you mean 'passing'" resolve web --health pasing
	refuses 2 'exclude each other' resolve web --all --health passing
	refuses 2 'exclude each other' resolve web --all --pick random
	refuses 2 'exclude each other' resolve web --watch --pick random
	refuses 2 'exclude each other' resolve web --watch --wait 1
	refuses 2 'exclude each other' resolve web --pick random --zone a --prefer-zone b
	refuses 2 'is about --pick' resolve web --prefer-zone b
	refuses 2 'too many' services web
	refuses 2 'what to do is missing' service
	refuses 2 "did you mean 'show'" service shwo web
	refuses 2 'which service' service show
	refuses 2 'too many' service show web a
	refuses 2 'needs the ID' service drain web
	refuses 2 'needs the PERCENT' service brake web
	refuses 2 'not a percentage' service brake web 0
	refuses 2 'not a percentage' service brake web half
	refuses 2 "$grammar" service remove web a/b
	refuses 3 'no such service' service remove absent a
	refuses 2 "did you mean 'resolve'" resolv web
	[ "$(synod services | grep -c '^web ')" = 0 ]
}

documented() {
	local command option
	# shellcheck source=/dev/null
	. etc/completions/synod.bash
	for command in run register resolve services service; do
		synod "$command" --help >"$out/help"
		has "$out/help" "^usage: synod $command "
		has "$out/help" '^examples:'
		has etc/man/synod.1 "^\.It Cm $command\( \|\$\)"
		_synod_commands | grep -qx "$command"
		for option in $(_synod_options "$command" | sed -n 's/^--//p'); do
			grep -q "Fl $option\b" etc/man/synod.1 || fail "--$option of $command is not in synod(1)"
		done
	done
}

# The ensemble is away: the command runs all the same, is registered when it comes, and leaves soon.
away() {
	local name run
	ensemble_start a b c
	export SYNOD_ENDPOINTS=$ENDPOINTS
	out=$ENSEMBLE_DIR
	for name in a b c; do
		member_kill "$name"
	done
	exits 3 synod run -q --service web --port 1 -- sh -c 'exit 3'
	spawn run run --service web --port 1 --id a -- sleep 100
	run=$pid
	exits 7 synod resolve --timeout 0.2 web 2>"$out/resolved"
	has "$out/resolved" '^  ..'
	spawn watch resolve --watch web
	until_true has "$out/run" 'not registered yet: '
	until_true has "$out/watch" 'nothing heard of the ensemble yet'
	for name in a b c; do
		member_start "$name"
	done
	until_true has "$out/run" 'registered as 127.0.0.1:1'
	until_true has "$out/watch" '^added    a '
	for name in a b c; do
		kill -STOP "${MEMBER_PID[$name]}"
	done
	until_true has "$out/watch" '^stale    web$'
	for name in a b c; do
		kill -CONT "${MEMBER_PID[$name]}"
	done
	until_true has "$out/watch" '^fresh    web$'
	kill -TERM "$run" "$pid"
	ends 143 "$run"
	ends 143 "$pid"
}

# ---- side by side ----

(away) &
away=$!
ensemble_start a b c
export SYNOD_ENDPOINTS=$ENDPOINTS SYNOD_BIN
base=$ENSEMBLE_DIR
declare -A parts=()
for part in running closed checking unread stopping losing registering resolving watching operating suspecting bad_input documented; do
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
		tail -n 5 "$base/out-$part"/*
		failed=1
	}
done
wait "$away" || {
	echo "away failed"
	failed=1
}
exit "$failed"
