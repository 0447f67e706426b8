# SPDX-License-Identifier: GPL-2.0-only
# Completion for mkfs.sffs, fsck.sffs, tune.sffs, dump.sffs and sffs. Options come from --help.
# shellcheck shell=bash disable=SC2207 # words have no spaces

_sffs_progs()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} options
	local dump='super backup slots locks lock mail area journal group bitmaps inode tree names
		xattrs block all udev'

	COMPREPLY=()
	case ${1##*/}:$prev in
	*:-r|*:--reclaim|*:--rate)	COMPREPLY=($(compgen -W 'off low medium high' -- "$cur")); return ;;
	*:-S|*:--sector-size)	COMPREPLY=($(compgen -W '512 4096' -- "$cur")); return ;;
	*:-P|*:--populate)	COMPREPLY=($(compgen -d -- "$cur")); return ;;
	dump.sffs:lock)		COMPREPLY=($(compgen -W 'fixed group inode open flock chunk' -- "$cur"))
				return ;;
	esac
	if [[ ${1##*/} == sffs && $COMP_CWORD -eq 1 && $cur != -* ]]; then
		COMPREPLY=($(compgen -W 'grow df reclaim owner nodes locks events' -- "$cur"))
		return
	fi
	if [[ $cur == -* ]]; then
		options=$("$1" --help 2> /dev/null | grep -oE -- '(^|[ ,])--?[A-Za-z][a-z-]*' | tr -d ' ,')
		COMPREPLY=($(compgen -W "$options" -- "$cur"))
	elif [[ ${1##*/} == dump.sffs && -e $prev ]]; then
		COMPREPLY=($(compgen -W "$dump" -- "$cur"))
	else
		COMPREPLY=($(compgen -f -- "$cur"))
	fi
}

complete -o filenames -F _sffs_progs mkfs.sffs fsck.sffs tune.sffs dump.sffs sffs
