#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lease.sh: functions are leased and come back, whatever happens to who has them.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/vtd/lib.sh
. ./lib.sh

kills=3 again=1
rounds=0
[ -z "${ASV_LONG:-}" ] || kills=100 again=20 rounds=1000
user=''

# vfio FUNCTION [mapping]: be a launcher in the background; its pid is in $user
vfio()
{
	: > "$work/user"
	./vfio_user "$(group "$1")" "$1" "${@:2}" > "$work/user" 2>&1 &
	user=$!
	until_true grep -q . "$work/user" && grep -qx open "$work/user"
}

taken()
{
	hold $nvme && has_driver $nvme asv_vtd && ! disk &&
		"$vtd" list | grep "^$nvme .*asv_vtd *leased .*asv-vtd ($holder)" &&
		[ -c "/dev/vfio/$(group $nvme)" ]
}

back()
{
	free $nvme nvme && disk_works
}

second_taker()
{
	refused leased "is leased to asv-vtd (process $holder)" $nvme
}

command_has_it()
{
	# shellcheck disable=SC2016 # the command's own
	"$vtd" lease $nvme sh -c '[ "$(readlink /sys/bus/pci/devices/$ASV_VTD_FUNCTION/driver)" = \
		../../../bus/pci/drivers/asv_vtd ] && [ -e "/dev/vfio/$ASV_VTD_GROUP" ] &&
		[ "$(readlink /proc/self/fd/$ASV_VTD_LEASE_FD)" = "anon_inode:[asv-vtd-lease]" ]' &&
		"$vtd" return --wait $nvme && has_driver $nvme nvme && disk_works
}

# An ordinary user who can open nothing gets lease, group and container over a socket.
handed_over()
{
	install -d -o 65534 "$work/sock" && chmod 711 "$work"
	setpriv --reuid 65534 --regid 65534 --clear-groups python3 ./receive.py "$work/sock/s" \
		> "$work/received" 2>&1 &
	local receiver=$!
	until_true test -S "$work/sock/s" &&
		"$vtd" lease --to "$work/sock/s" --memlock 512M $nvme &&
		until_true grep -qx "open $nvme 536870912" "$work/received" &&
		"$vtd" list | grep "^$nvme .*leased .*opened by $receiver"
	local rc=$?
	cat "$work/received"
	kill -KILL $receiver
	wait $receiver
	"$vtd" return --wait $nvme && has_driver $nvme nvme && disk_works && return $rc
}

killed_launcher()
{
	local i
	for ((i = 0; i < kills; i++)); do
		hold $nvme && vfio $nvme || return 1
		pause "0.0$((RANDOM % 100))"
		kill -KILL "$user" "$holder"
		wait "$user" "$holder"
		"$vtd" return --wait $nvme && has_driver $nvme nvme || return 1
		[ -z "${ASV_LONG:-}" ] || disk_works || return 1
	done
	disk_works
}

# What is open or mapped delays the return, and that is told.
outlived()
{
	hold $nvme && vfio $nvme "$@" || return 1
	kill "$holder"
	wait "$holder"
	until_true eval "'$vtd' list | grep '^$nvme .* ended .*opened by $user'" || return 1
	"$vtd" return --timeout 1 $nvme
	[ $? -eq 5 ] || return 1
	refused returning 'still has its VFIO device open' $nvme || return 1
	! (user='' vfio $nvme) || return 1
	kill -KILL "$user"
	wait "$user"
	"$vtd" return --wait $nvme && has_driver $nvme nvme && disk_works
}

no_unload()
{
	hold $nvme || return 1
	! rmmod asv_vtd && free $nvme nvme
}

unload_in_return()
{
	local i
	for ((i = 0; i < again; i++)); do
		hold $nvme || return 1
		kill -KILL "$holder"
		wait "$holder"
		until_true rmmod asv_vtd && [ ! -e /sys/module/asv_vtd ] &&
			has_driver $nvme nvme && modprobe asv_vtd || return 1
	done
	disk_works
}

two_takers()
{
	local i a b won
	for ((i = 0; i < again; i++)); do
		"$vtd" lease $nvme > "$work/a" 2>&1 &
		a=$!
		"$vtd" lease $nvme > "$work/b" 2>&1 &
		b=$!
		until_true eval "grep -q 'is leased to' '$work/a' '$work/b' &&
			grep -q ^leased '$work/a' '$work/b'" || return 1
		if grep -q ^leased "$work/a"; then
			won=$a
			wait "$b"
		else
			won=$b
			wait "$a"
		fi
		[ $? -eq 3 ] && cat "$work/a" "$work/b" | grep "process $won" || return 1
		"$vtd" return --wait $nvme && wait "$won" || return 1
	done
}

by_id()
{
	local id
	id=$(cut -c3- $devices/$net/vendor):$(cut -c3- $devices/$net/device)
	hold "$id" && has_driver $net asv_vtd && refused leased 'is leased to' "$id" &&
		free $net e1000e && net_works
}

unplugged()
{
	hold $net || return 1
	echo 1 > $devices/$net/remove
	kill "$holder"
	wait "$holder"
	"$vtd" return --wait $net && [ ! -e $devices/$net ] || return 1
	echo 1 > /sys/bus/pci/rescan
	until_true has_driver $net e1000e && net_works
}

# An override that the administrator has set is back after the lease.
override()
{
	echo nvme > $devices/$nvme/driver_override
	hold $nvme && [ "$(cat $devices/$nvme/driver_override)" = asv_vtd ] &&
		free $nvme nvme && [ "$(cat $devices/$nvme/driver_override)" = nvme ]
	local rc=$?
	echo > $devices/$nvme/driver_override
	return $rc
}

# Without a driver before, without one after.
driverless()
{
	local rc
	echo $net > /sys/bus/pci/drivers/e1000e/unbind
	hold $net
	kill "$holder"
	wait "$holder"
	"$vtd" return --wait $net && ! driver $net
	rc=$?
	echo $net > /sys/bus/pci/drivers/e1000e/bind
	return $rc
}

many_rounds()
{
	local i
	for ((i = 0; i < rounds; i++)); do
		"$vtd" lease $net true && "$vtd" return --wait $net && has_driver $net e1000e ||
			return 1
	done
	net_works
}

# seen EVENT: of the NVMe disk
seen()
{
	until_true grep -q "\"event\":\"$1\",\"address\":\"$nvme\"" "$work/events"
}

# What the last tests did was told by events, as JSON.
events()
{
	kill "$watcher"
	wait "$watcher"
	python3 -c 'import json, sys
for line in open(sys.argv[1]): json.loads(line)' "$work/events" &&
		seen leased && seen ended && seen returned && seen refused &&
		grep -q "\"event\":\"unplugged\",\"address\":\"$net\"" "$work/events" &&
		grep "returned.*$nvme" "$work/events" | grep -q '"driver":"nvme"'
}

json()
{
	"$vtd" list --json | python3 -c 'import json, sys
f = {f["address"]: f for f in json.load(sys.stdin)}
assert f[sys.argv[1]]["driver"] == "nvme" and "lease" not in f[sys.argv[1]]' $nvme
}

ready()
{
	"$vtd" check | grep 'This machine can lease' && "$vtd" check | grep "^$nvme.*can be leased" &&
		"$vtd" check --json | python3 -c 'import json, sys
r = json.load(sys.stdin)
u = [u for u in r["units"] if u["name"]]
assert r["ready"] and r["table"] == "DMAR" and u[0]["width"] >= 39
assert u[0]["queued_invalidation"] and u[0]["interrupt_remapping"]'
}

check 'modules, and a pattern on the disk' setup
check 'asv-vtd check: ready' ready
check 'asv-vtd list --json' json
"$vtd" events --json > "$work/events" 2> "$work/watcher" &
watcher=$!
check 'asv-vtd events is watching' until_true grep watching "$work/watcher"
check 'a lease takes the function from its driver' taken
check 'a second taker is told who holds it' second_taker
check 'the lease ends: the disk is back' back
check 'a command runs with the lease' command_has_it
check 'a network card, by vendor and device' by_id
check 'two takers at once: one wins' two_takers
check 'a lease for an ordinary user, over a socket' handed_over
check "launcher and lease killed $kills times" killed_launcher
[ -z "${ASV_LONG:-}" ] || check 'a VFIO device that outlives its lease' outlived
check 'a mapping that outlives its lease' outlived mapping
check 'unplugged while leased' unplugged
check 'a driver override is restored' override
check 'no driver before, none after' driverless
[ -z "${ASV_LONG:-}" ] || check "$rounds rounds" many_rounds
check 'events were seen' events
check 'the module cannot be unloaded while leased' no_unload
check 'the module is unloaded with a return in flight' unload_in_return
finish
