#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# setup.sh: what the scripts install by themselves, and that they stop where they cannot.
# The distribution is a file that is mounted over /etc/os-release, and so the tools of the
# package manager are programs of this test. Needs ASV_TOP and root.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh

setup=$ASV_TOP/scripts/setup
mkdir "$work/bin"
# All packages but these two are there, and the archive has both.
cat > "$work/bin/dpkg-query" <<'TOOL'
#!/bin/sh
case $* in *' spin'|*' sparse') exit 1 ;; esac
printf installed
TOOL
# shellcheck disable=SC2016 # for that script
printf '#!/bin/sh\necho "$2 | 1 | http://archive"\n' > "$work/bin/apt-cache"
# shellcheck disable=SC2016 # for that script
printf '#!/bin/sh\necho "$DEBIAN_FRONTEND: $*" >> "%s/apt-get"\n' "$work" > "$work/bin/apt-get"
chmod +x "$work/bin"/*

# on RELEASE COMMAND...: on the distribution of that os-release; its code is in $code, what
# it says in $work/said, and how apt-get was called in $work/apt-get
on()
{
	printf '%s' "$1" > "$work/os-release"
	shift
	rm -f "$work/apt-get"
	# shellcheck disable=SC2016 # for the inner shell
	PATH=$work/bin:$PATH ASV_CACHE=$work env -u DEBIAN_FRONTEND -u ASV_NO_SETUP unshare -m bash -c '
		mount --bind "$1/os-release" /etc/os-release && shift && exec "$@"' \
		on "$work" "$@" > "$work/said" 2>&1 < /dev/null
	code=$?
	cat "$work/said"
}

debian='ID=debian
VERSION_ID="12"
'
fedora='ID=fedora
VERSION_ID=40
'

# listed: the code, all packages of `check`, one a line, and nothing was installed
listed()
{
	[ "$code" -eq "$1" ] && grep -q 'not Debian 12. Install what' "$work/said" &&
		diff <("$setup" --list check) <(sed -n 's/^  //p' "$work/said" | sort -u) &&
		[ ! -e "$work/apt-get" ]
}

another()
{
	on "$1" "${@:2}" "$setup" check
	listed 1
}

# make says nothing else and makes nothing, in a checkout that is only there for that
stops()
{
	mkdir -p "$work/top"
	cp -r "$ASV_TOP/Makefile" "$ASV_TOP/scripts" "$work/top/"
	on "$fedora" timeout 20 make -s -C "$work/top" "$1"
	[ "$code" -eq 2 ] && grep -q 'not Debian 12' "$work/said" &&
		! grep -vE '^(setup|make): |^  ' "$work/said" &&
		[ ! -e "$work/top/build" ] && [ ! -e "$work/apt-get" ]
}

know_how()
{
	on "$fedora" env ASV_NO_SETUP=1 "$setup" check
	listed 0
}

only_missing()
{
	on "$debian" "$setup" check
	cat "$work/apt-get"
	[ "$code" -eq 0 ] && [ "$(wc -l < "$work/apt-get")" -eq 1 ] &&
		grep -q '^noninteractive: -y .*install --no-install-recommends sparse spin$' \
			"$work/apt-get" &&
		grep -q 'installing 2 Debian packages: sparse spin' "$work/said"
}

nothing_missing()
{
	on "$debian" "$setup" run
	[ "$code" -eq 0 ] && [ ! -s "$work/said" ] && [ ! -e "$work/apt-get" ]
}

not_root()
{
	on "$debian" setpriv --reuid 65534 --regid 65534 --clear-groups "$setup" check
	[ "$code" -eq 1 ] && [ ! -e "$work/apt-get" ] &&
		grep -q 'missing packages, run as root: apt-get install sparse spin' "$work/said"
}

chmod 755 "$work"
check 'another distribution: the list, and no more' another "$fedora"
check 'another release of Debian' another $'ID=debian\nVERSION_ID="13"\n'
check 'no distribution at all' another ''
check 'make run stops there' stops run
check 'make check stops there' stops check
check 'who knows how goes on' know_how
check 'only what is missing is installed, without questions' only_missing
check 'nothing is missing' nothing_missing
check 'not root: the packages are named' not_root
finish
