# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion of asvm's arguments in bash.

# Options are read from --help, so that this file never knows other ones.
_asvm_options()
{
	asvm "$1" --help 2> /dev/null | grep -oE '^  --[a-z-]+' | tr -d ' '
}

_asvm_guests()
{
	local dir socket
	for dir in /run/asvm "${XDG_RUNTIME_DIR:-/nonexistent}/asvm"; do
		for socket in "$dir"/*; do
			[ ! -S "$socket" ] || printf '%s\n' "${socket##*/}"
		done
	done
}

# Functions that are no bridges, by address.
_asvm_functions()
{
	local dir class
	for dir in /sys/bus/pci/devices/*; do
		read -r class < "$dir/class" 2> /dev/null || continue
		[ "${class#0x06}" != "$class" ] || printf '%s\n' "${dir##*/}"
	done
}

_asvm_values()
{
	case $1 in
	--console)		echo serial virtio none ;;
	--hugepages)		echo no 2M 1G ;;
	--reboot|--shared|--rng|--balloon|--free-page-reporting|--limits|--sandbox|--discard)
				echo yes no ;;
	--user)			compgen -u ;;
	--vtd)			_asvm_functions; echo pf= socket= ;;
	*)			return 1 ;;
	esac
}

_asvm()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local verb=${COMP_WORDS[1]:-} words=''

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words=$(asvm --help | sed -n 's/^  \([a-z-]*\) .*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words --help --version" -- "$cur")
		return
	fi
	if words=$(_asvm_values "$prev"); then
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
	fi
	case $verb in
	run|qemu|vhost-user-blk)
		if [[ $cur == -* ]]; then
			words=$(_asvm_options "$([ "$verb" = qemu ] && echo run || echo "$verb")")
			[ "$verb" != qemu ] || words+=' --run'
			mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		;;
	list)
		mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$cur")
		;;
	stats)
		mapfile -t COMPREPLY < <(compgen -W \
			"--json --interval --count --help $(_asvm_guests)" -- "$cur")
		;;
	stop|kill)
		mapfile -t COMPREPLY < <(compgen -W "--timeout --help $(_asvm_guests)" -- "$cur")
		;;
	console|pause|resume|reset|balloon|resize-disk)
		mapfile -t COMPREPLY < <(compgen -W "--help $(_asvm_guests)" -- "$cur")
		;;
	esac
}

complete -o filenames -F _asvm asvm
