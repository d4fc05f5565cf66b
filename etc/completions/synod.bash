# Completion of synod(1) for bash.  Commands and options come from `synod help` itself, paths from
# the ensemble (within a second, or not at all).

_synod_options()
{
	synod ${1:+"$1"} --help 2>/dev/null | grep -oE '^ +(-[a-z], )? *--[a-z-]+' | grep -oE -- '-(-[a-z-]+|[a-z])\b'
}

_synod_commands()
{
	synod --help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_synod_paths()
{
	local parent="${1%/*}"

	[[ $1 == /* ]] || { echo /; return; }
	synod "${endpoints[@]}" --timeout 1 ls "${parent:-/}" 2>/dev/null |
		while IFS= read -r name; do
			printf '%s/%s\n' "$parent" "$name"
		done
}

_synod_services()
{
	synod "${endpoints[@]}" --timeout 1 ls /services 2>/dev/null
}

_synod_instances()
{
	synod "${endpoints[@]}" --timeout 1 ls "/services/$1" 2>/dev/null
}

_synod()
{
	local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD - 1]}"
	local command="" words=() endpoints=() i
	local IFS=$'\n'

	for ((i = 1; i < COMP_CWORD; i++)); do
		case "${COMP_WORDS[i]}" in
		-e | --endpoints)
			endpoints=(-e "${COMP_WORDS[++i]}")
			# readline takes a colon for the end of a word
			while [[ ${COMP_WORDS[i + 1]} == : ]]; do
				endpoints[1]+=":${COMP_WORDS[i + 2]}"
				((i += 2))
			done
			;;
		--timeout | --color) ((i++)) ;;
		-*) ;;
		*) command="${COMP_WORDS[i]}" && break ;;
		esac
	done
	words=("${COMP_WORDS[@]:i+1:COMP_CWORD-i-1}") # between the command and what is completed

	case "$previous" in
	-e | --endpoints) return ;;
	--color) COMPREPLY=($(compgen -W $'auto\nalways\nnever' -- "$current")) && return ;;
	--consistency) COMPREPLY=($(compgen -W $'linearizable\nlocal' -- "$current")) && return ;;
	--health) COMPREPLY=($(compgen -W $'passing\nwarning\nstarting\ncritical\ndraining\nany' -- "$current")) && return ;;
	--pick) COMPREPLY=($(compgen -W $'two-choices\nround-robin\nrandom\nweighted\nleast\nhash:' -- "$current")) && return ;;
	--service) COMPREPLY=($(compgen -W "$(_synod_services)" -- "$current")) && return ;;
	--check)
		[[ $command == bench ]] && COMPREPLY=($(compgen -f -- "$current"))
		[[ $command == bench ]] || COMPREPLY=($(compgen -W $'http://\ntcp:\ncmd:' -- "$current"))
		compopt -o nospace
		return
		;;
	-f | --file | --history | --record)
		COMPREPLY=($(compgen -f -- "$current"))
		return
		;;
	esac

	if [[ $current == -* ]]; then
		COMPREPLY=($(compgen -W "$(_synod_options "$command")" -- "$current"))
		return
	fi
	case "$command" in
	"" | help) COMPREPLY=($(compgen -W "$(_synod_commands)" -- "$current")) ;;
	member) COMPREPLY=($(compgen -W $'list\ntransfer' -- "$current")) ;;
	lease) COMPREPLY=($(compgen -W $'grant\nkeep\nrevoke\nshow\nls' -- "$current")) ;;
	session) COMPREPLY=($(compgen -W $'ls\nshow\nend' -- "$current")) ;;
	bench) COMPREPLY=($(compgen -W $'write\nread\nmixed\ngap\nwatch\nsessions\nlock\nephemeral\nlist\ndiscovery' -- "$current")) ;;
	txn) COMPREPLY=($(compgen -f -- "$current")) ;;
	import | export)
		COMPREPLY=($(compgen -f -- "$current") $(compgen -W "$(_synod_paths "$current")" -- "$current"))
		;;
	resolve | register) COMPREPLY=($(compgen -W "$(_synod_services)" -- "$current")) ;;
	service)
		case "${#words[@]}" in
		0) COMPREPLY=($(compgen -W $'show\ndrain\nremove\nbrake' -- "$current")) ;;
		1) COMPREPLY=($(compgen -W "$(_synod_services)" -- "$current")) ;;
		2) [[ ${words[0]} == brake ]] || COMPREPLY=($(compgen -W "$(_synod_instances "${words[1]}")" -- "$current")) ;;
		esac
		;;
	run) COMPREPLY=($(compgen -c -- "$current")) ;;
	status | version | services) ;;
	*)
		COMPREPLY=($(compgen -W "$(_synod_paths "$current")" -- "$current"))
		compopt -o nospace
		;;
	esac
}

complete -F _synod synod
