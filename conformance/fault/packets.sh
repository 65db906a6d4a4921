#!/bin/sh
# Runs a program in a network of its own, which has nothing but a loopback, and
# tells it so with -packets: there, `make fault` may lose packets. That takes
# root on Linux, with unshare, ip and nft; elsewhere the program runs as it is,
# and its proxies hold what passes. With no program it gets what is missing
# from apt-get, as root, and fails if that is not to be had.
#
# usage: packets.sh [PROGRAM ARGS...]
set -eu

able() {
	[ "$(id -u)" = 0 ] && unshare --net -- sh -c 'ip link set lo up && nft list ruleset' >/dev/null 2>&1
}

if [ $# -gt 0 ]; then
	able || exec "$@"
	# shellcheck disable=SC2016 # that shell's own
	exec unshare --net -- sh -c 'ip link set lo up && exec "$@" -packets' sh "$@"
fi
able && exit
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo 'packets: only proxies hold what passes: to lose packets takes root, ip and nft' >&2
	exit
fi
echo 'packets: installing iproute2 and nftables with apt-get' >&2
apt-get -o DPkg::Lock::Timeout=300 -q update >&2 || echo 'packets: apt-get update failed; trying with the lists that are there' >&2
DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q install -y --no-install-recommends iproute2 nftables util-linux >&2
able || echo 'packets: this machine lets nobody make a network: only proxies hold what passes' >&2
