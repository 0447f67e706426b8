#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# networks.sh up|down: the host's ends of the networks of hardware.c. asvq0 is a tap of
# several queues; asvm0 is a macvtap and asvi0 an ipvtap, on veth pairs whose other ends
# are in the namespace asvpeer. Network N is 198.18.1N.0/24, the guest's address ends in 2.
set -eu

down()
{
	for i in asvq0 asvv1 asvv2; do
		[ ! -e /sys/class/net/$i ] || ip link del $i
	done
	[ ! -e /run/netns/asvpeer ] || ip netns del asvpeer
}

# What a test that was killed left is taken away before.
down
[ "$1" = up ] || exit 0
modprobe -a tun macvtap ipvtap vhost_vsock
ip netns add asvpeer
ip tuntap add asvq0 mode tap vnet_hdr multi_queue
ip addr add 198.18.10.1/24 dev asvq0
ip link set asvq0 up
for i in 1 2; do
	ip link add asvv$i type veth peer name asvp$i netns asvpeer
	ip link set asvv$i up
	ip -n asvpeer link set asvp$i up
	ip -n asvpeer addr add 198.18.1$i.1/24 dev asvp$i
done
ip link add link asvv1 name asvm0 type macvtap mode bridge
ip link set asvm0 up
ip link add link asvv2 name asvi0 type ipvtap mode l2
# an ipvtap is given packets by this address
ip addr add 198.18.12.2/24 dev asvi0
