# Names that the scripts of this folder share. Sourced, not run.
#
# shellcheck shell=bash disable=SC2034

# All of a node: its files, logs and credentials. Only one node runs on a machine, because its
# addresses and control groups have fixed names; `current` is a link to the state of that one.
state=${MCP_GATEWAY_KUBE_STATE:-/var/lib/mcp-gateway-kube}
readonly state current=/run/mcp-gateway-kube

readonly link=mcpkube0 host_address=10.200.0.254 node_address=10.200.0.1
readonly pod_network=10.244.0.0/16 service_network=10.96.0.0/16
readonly components=(etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy)

log() { printf '%s\n' "$*" >&2; }

fail() {
  log "${0##*/}: $*"
  exit 1
}

# The process that is PID 1 in the node with state $1, by its PID outside.
init_of() { pgrep --full "^bash [^ ]*/init\.sh $1\$"; }

init_pid() { init_of "$state"; }

# The process of component $1: each has a path below the state in its arguments.
pid_of() { pgrep --full "^([^ ]*/)?$1 .*$state/"; }

# Runs a command in the namespaces of the node.
in_node() { nsenter --target "$(init_pid)" --net --mount --pid -- "$@"; }

# Waits until a command succeeds: seconds, then the command.
wait_for() {
  local seconds=$1 end
  shift
  end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

# Held while a node is started, ended or repaired.
readonly turn=/run/mcp-gateway-kube.turn

take_turn() {
  exec 8>"$turn"
  flock 8
}

# The time at which process $1 began, which tells it from a later one of the same PID.
start_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut --delimiter ' ' --fields 20; }
