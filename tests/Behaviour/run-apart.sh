#!/usr/bin/env bash
# One rig among several: a network and mount namespace of its own, so that names, addresses and ports cannot meet.
# usage: run-apart.sh NAME [arguments of runner.py ...]
set -eu
name=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "/tmp/rig-$name.XXXXXX")
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
exec_in='mount -t tmpfs none /run/netns 2>/dev/null || { mkdir -p /run/netns && mount -t tmpfs none /run/netns; }
mkdir -p /etc/netns && mount -t tmpfs none /etc/netns
ip link set lo up
exec python3 "$@"'
unshare -nm bash -c "$exec_in" rig "$here/runner.py" "$@" --work "$work" || status=$?
if [ -n "${RIG_KEEP:-}" ]; then mkdir -p "$RIG_KEEP" && cp -r "$work/log" "$RIG_KEEP/"; fi
exit "${status:-0}"
