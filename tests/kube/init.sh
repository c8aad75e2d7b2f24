#!/usr/bin/env bash
# PID 1 of the node, in namespaces of its own for processes, mounts and network: whatever runs in
# the node ends with it, and so do all mounts. Started by up.sh.
#
# usage: init.sh STATE
set -euo pipefail

state=$1
mkdir -p "$state"/var/{log,cni,kubelet}
mount --make-rshared /
# These paths cannot be set everywhere.
mount -t tmpfs tmpfs /run
mount --bind "$state/var/log" /var/log
for name in cni kubelet; do
  mkdir -p "/var/lib/$name"
  mount --bind "$state/var/$name" "/var/lib/$name"
done
ip link set lo up
sysctl --quiet --write net.ipv4.ip_forward=1
touch "$state/init"
# The shell reaps the orphans meanwhile.
sleep infinity &
wait
