# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Completion of asv-vtd's arguments in bash.

_asv_vtd()
{
	local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]:-} words='' i

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words=$(asv-vtd --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words --help --version" -- "$cur")
		return
	fi
	case $verb in
	check|list|events)	words='--json --help' ;;
	show)			words='--json --help' ;;
	lease)			words='--unsafe-interrupts --console --to --memlock --help' ;;
	vf)			words='--help' ;;
	return)			words='--wait --timeout --help' ;;
	esac
	if [ "$verb" = lease ]; then
		for ((i = 2; i < COMP_CWORD; i++)); do
			# behind the function there is a command
			[[ ${COMP_WORDS[i]} == -* ]] || { mapfile -t COMPREPLY < <(compgen -c -- "$cur"); return; }
		done
	fi
	case $verb in
	show|lease|return|vf)	words+=" $(cd /sys/bus/pci/devices && echo *)" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	# The word breaks at the colons of an address: what is there stays.
	if declare -F __ltrim_colon_completions > /dev/null; then
		__ltrim_colon_completions "$cur"
	fi
}

complete -F _asv_vtd asv-vtd
