#!/usr/bin/env bash
# Ends the node that up.sh has started, and removes all that it left on the machine.
#
# usage: down.sh    the state folder is ${MCP_GATEWAY_KUBE_STATE:-/var/lib/mcp-gateway-kube}
set -euo pipefail
# shellcheck source=tests/kube/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Everything in the node is in its namespace of processes, which ends with its first.
no_process() { ! init_pid && ! pgrep --full "^[^ ]+ .*$state/(containerd\.sock|var/|etcd)"; }

no_link() { ! ip link show "$link"; }

# Control groups stay until somebody removes them, the innermost first.
remove_groups() {
  find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir --ignore-fail-on-non-empty {} + 2>/dev/null
  ! find /sys/fs/cgroup -type d -name 'kubepods*' | grep --quiet .
}

if pid=$(init_pid); then
  kill -KILL "$pid"
fi
wait_for 20 no_process || fail "processes of the node are left"
# What else there is may be that of another node.
if [[ $(readlink "$current") == "$state" ]]; then
  # The kernel removes a namespace, and this link with it, a moment after its last process.
  wait_for 20 no_link || fail "the link $link is left"
  ip route del blackhole "$pod_network" metric 9999 2>/dev/null || true
  wait_for 20 remove_groups || fail "control groups of the node are left"
fi
rm -rf "$state"
if [[ $(readlink "$current") == "$state" ]]; then
  rm "$current"
fi
