#!/usr/bin/env bash
# Install into a temporary place, build an example with nothing but what was
# installed, run it against the installed member, and uninstall again.
set -eu
cd "$(dirname "$0")/.."
place=$(mktemp -d)
: "${MAKE_PROGRAM:=make}" "${CC:=cc}"
unset MAKEFLAGS MAKELEVEL MFLAGS
pid=

cleanup() {
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
	rm -rf "$place"
}
trap cleanup EXIT

quietly() {
	"$@" >"$place/log" 2>&1 || { cat "$place/log"; exit 1; }
}

# The .pc file names the final directories: DESTDIR is only a stop on the way there.
options=(PREFIX=/opt/synod SYSCONFDIR=/opt/synod/etc DESTDIR="$place/root" "BUILD=${BUILD:-build}")
root=$place/root/opt/synod
quietly "$MAKE_PROGRAM" "${options[@]}" install

echo "settings of mine" >"$root/etc/synod.conf"
quietly "$MAKE_PROGRAM" "${options[@]}" install
grep -q "settings of mine" "$root/etc/synod.conf" || { echo "install overwrote a configuration"; exit 1; }
cmp etc/synod.conf "$root/etc/synod.conf.new"

export PKG_CONFIG_PATH=$root/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$place/root LD_LIBRARY_PATH=$root/lib
[ "$(pkg-config --modversion synod)" = "$("$root/bin/synod" version | awk '{ print $NF }')" ]
# shellcheck disable=SC2046 # words are meant
$CC examples/quickstart.c $(pkg-config --cflags --libs synod) -o "$place/shared"
# shellcheck disable=SC2046
$CC examples/quickstart.c $(pkg-config --cflags synod) "$root/lib/libsynod.a" \
	$(pkg-config --libs-only-l --static synod | sed 's/-lsynod//') -pthread -o "$place/static"
# shellcheck disable=SC2046
$CC examples/caller.c $(pkg-config --cflags --libs synod) -o "$place/caller"
ldd "$place/shared" | grep -q "$root/lib/libsynod.so" || { echo "not linked with the installed library"; exit 1; }

"$root/sbin/synodd" -n -f etc/synod.conf >"$place/log" 2>&1 || { cat "$place/log"; exit 1; }
"$root/sbin/synodd" --data "$place/data" --clients 127.0.0.1:0 --listen 127.0.0.1:0 2>"$place/synodd.log" &
pid=$!
address=
for _ in {1..100}; do
	address=$(sed -n 's/.* started: .*clients=\([^ ]*\) .*/\1/p' "$place/synodd.log")
	[ -z "$address" ] || break
	kill -0 "$pid" || { cat "$place/synodd.log"; exit 1; }
	sleep 0.1
done
"$place/shared" "$address"
"$place/static" "$address" | grep -q 'visits = 2'
"$root/bin/synod" -e "$address" get /quickstart/greeting | grep -q hello
kill -TERM "$pid"
wait "$pid" || { echo "synodd ended with status $?"; exit 1; }
pid=

quietly "$MAKE_PROGRAM" "${options[@]}" uninstall
left=$(find "$place/root" -type f -o -type l)
[ "$left" = "$root/etc/synod.conf" ] || { echo "uninstall left: $left"; exit 1; }
echo "installcheck: passed"
