#!/usr/bin/env bash
# The library shows applications what the public headers declare, and nothing else.
set -eu
declared=$(cat client/synod.h client/discovery.h | grep SYNOD_API -A1 | grep -o 'synod_[a-z_]*(' |
	tr -d '(' | sort -u)

check() {
	local shown=$1 what=$2
	if [ "$shown" != "$declared" ]; then
		echo "$what and the public headers differ (< only in the library, > only in a header):"
		diff <(echo "$shown") <(echo "$declared") | grep '^[<>]'
		exit 1
	fi
	echo "$what shows $(wc -w <<<"$shown") symbols, all of the public headers"
}

check "$(nm -D --defined-only "$SYNOD_BIN/libsynod.so" | awk '{ print $3 }' | sort -u)" libsynod.so
check "$(nm -g --defined-only "$SYNOD_BIN/libsynod.a" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)" libsynod.a

[ "$(readelf -d "$SYNOD_BIN/libsynod.so" | sed -n 's/.*soname: \[\(.*\)\]/\1/p')" = libsynod.so.0 ]
for program in synodd synod; do
	readelf -h "$SYNOD_BIN/$program" | grep -q 'Type:.*DYN' || { echo "$program is not position-independent"; exit 1; }
	readelf -d "$SYNOD_BIN/$program" | grep -q 'BIND_NOW\|NOW' || { echo "$program is not linked with -z now"; exit 1; }
done
