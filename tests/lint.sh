#!/usr/bin/env bash
# What the compiler does not check: who includes whom, one door for each
# dependency, the common form of sources, scripts and man pages, one version.
# Tools that are not installed are left out; `make lint` installs them.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
list=$(mktemp)
trap 'rm -f "$list"' EXIT

complain() {
	echo "$1" >&2
	failed=1
}

# Every quoted include as "FILE INCLUDED", and every dependency as "FILE <HEADER>".
includes() {
	find shared server client examples -name '*.[ch]' | sort | while read -r file; do
		sed -n -e "s|^#include \"\([^\"]*\)\".*|$file \1|p" -e "s|^#include \(<[^>]*>\).*|$file \1|p" "$file"
	done
}

layer_of() {
	case $1 in
	server/*/* | client/*/*) dirname "$1" ;;
	*) echo "${1%%/*}" ;;
	esac
}

# The layers that the layer of a file may include, besides its own.
may_include() {
	case $1 in
	shared | examples) ;;
	client) echo shared ;;
	client/discovery) echo client shared ;;
	client/cli) echo client/discovery client shared ;;
	server/paxos | server/namespace) echo shared ;;
	server/storage) echo server/paxos server/namespace shared ;;
	server/network) echo server/storage server/paxos server/namespace shared ;;
	server) echo server/network server/storage server/namespace server/paxos shared ;;
	esac
}

check_layer() {
	local file=$1 included=$2 own allowed layer
	own=$(layer_of "$file")
	case $included in
	schema.sql.h) return ;; # generated
	synod.h) [ "$file" != client/discovery.h ] || return ;; # beside it, where it is installed too
	*/*) ;;
	*) complain "$file: \"$included\": include from the root of the repository" ;;
	esac
	layer=$(layer_of "$included")
	for allowed in "$own" $(may_include "$own"); do
		[ "$layer" != "$allowed" ] || return
	done
	complain "$file: \"$included\": $own must not include $layer"
}

# check_door FILE HEADER PATTERN...: the files that may include it.
check_door() {
	local file=$1 header=$2 pattern
	shift 2
	for pattern in "$@"; do
		# shellcheck disable=SC2053 # a pattern is meant
		[[ $file != $pattern ]] || return
	done
	complain "$file: $header: only $* may include it"
}

check_includes() {
	local file included
	while read -r file included; do
		case $included in
		'<nng'*) check_door "$file" "$included" 'shared/*_nng*' ;;
		'<msgpack'*) check_door "$file" "$included" shared/pack.c ;;
		'<sqlite3.h>') check_door "$file" "$included" 'server/namespace/*' 'server/storage/*' ;;
		'<sodium'*) check_door "$file" "$included" 'server/*' ;;
		'<confuse.h>') check_door "$file" "$included" server/config_file.c ;;
		'<cjson'*) check_door "$file" "$included" 'client/cli/*' client/discovery/record.c ;;
		'<synod/'*) check_door "$file" "$included" 'examples/*' ;;
		'<'*) ;;
		*) check_layer "$file" "$included" ;;
		esac
	done < <(includes)
}

check_words() {
	local found
	found=$(grep -rnE '\b(TO''DO|FIX''ME|X''XX)\b' shared server client tests examples etc Makefile .ci)
	[ -z "$found" ] || complain "unfinished work:
$found"
	found=$(grep -rnE '[[:space:]]+$' --include='*.[ch]' --include='*.def' --include='*.sh' --include='*.sql' \
		shared server client tests examples)
	[ -z "$found" ] || complain "spaces at the end of lines:
$found"
}

check_version() {
	[ -n "${VERSION:-}" ] || VERSION=$(sed -n 's/^VERSION *:= *//p' Makefile)
	grep -q "#define SYNOD_VERSION \"$VERSION\"" client/synod.h ||
		complain "client/synod.h does not say SYNOD_VERSION \"$VERSION\""
	grep -q "^## $VERSION" CHANGELOG.md || complain "CHANGELOG.md has no section $VERSION"
}

# Other versions of clang-format lay out some lines differently.
check_form() {
	local form
	for form in clang-format-14 clang-format; do
		"$form" --version 2>/dev/null | grep -q 'version 14\.' || continue
		find shared server client tests examples -name '*.[ch]' -print0 |
			xargs -0 "$form" --dry-run 2>&1 | sed -n 's/^\([^ :]*\.[ch]\):.*/\1/p' | sort -u >"$list"
		[ ! -s "$list" ] || complain "make format puts these into form:
$(cat "$list")"
		return
	done
	echo "clang-format 14 is not installed: form not checked"
}

check_scripts() {
	if ! command -v shellcheck >/dev/null 2>&1; then
		echo "shellcheck is not installed: scripts not checked"
		return
	fi
	find tests examples .ci -name '*.sh' -print0 -o -path .ci/run -print0 |
		xargs -0 shellcheck || complain "shellcheck has found faults"
}

check_pages() {
	local page found
	if ! command -v mandoc >/dev/null 2>&1; then
		echo "mandoc is not installed: man pages not checked"
		return
	fi
	for page in etc/man/*; do
		# Whether the pages it refers to are installed on this machine says nothing.
		found=$(mandoc -Tlint "$page" 2>/dev/null | grep -v 'referenced manual not found')
		[ -z "$found" ] || complain "$found"
	done
}

check_includes
check_words
check_version
check_form
check_scripts
check_pages
[ "$failed" = 0 ] && echo "lint: nothing to complain about"
exit "$failed"
