#!/bin/sh
# Install the named Debian packages, or say how to: the makefile calls this for what is missing.
set -u

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "These Debian packages are missing: $*" >&2
	echo "Install them with:" >&2
	echo "    sudo apt-get install -y --no-install-recommends $*" >&2
	echo "(elsewhere: the same libraries with their headers, then make DEPS=no)" >&2
	exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive

install() {
	apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >>"$log" 2>&1 </dev/null
}

echo "  APT  $*"
# A fresh machine has no package lists yet, an old one may have lists that name what is gone.
install "$@" && exit 0
apt-get -o DPkg::Lock::Timeout=300 update -qq >>"$log" 2>&1 </dev/null
install "$@" && exit 0
cat "$log" >&2
echo "could not install: $*" >&2
exit 1
