#!/usr/bin/env bash
# Acts on the node that up.sh has started.
#
# usage: ctl.sh start|stop|kill|restart|pause|resume COMPONENT   etcd, kube-apiserver, kubelet...
#        ctl.sh heal                                             starts what does not run
#        ctl.sh import ARCHIVE...                                adds images, as `docker save` writes them
#        ctl.sh exec COMMAND...                                  runs a command in the node's namespaces
#        ctl.sh status                                           lists the components with their PIDs
set -euo pipefail
# shellcheck source=tests/kube/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

start() {
  local -a command
  ! pid_of "$1" >/dev/null || fail "$1 runs already"
  [[ -f $state/commands/$1 ]] || fail "$1 is no component of this node"
  mapfile -d '' command <"$state/commands/$1"
  # shellcheck disable=SC2016
  in_node setsid bash -c 'log=$1; shift; "$@" >>"$log" 2>&1 </dev/null &' \
    start "$state/logs/$1.log" "${command[@]}" 8>&-
}

ended() { ! pid_of "$1"; }

end() {
  local pid
  pid=$(pid_of "$2") || return 0
  # A paused process takes no other signal.
  kill -CONT "$pid"
  kill "-$1" "$pid"
  wait_for 90 ended "$2" || fail "$2 does not end"
}

status() {
  local name pid
  for name in "${components[@]}"; do
    [[ -f $state/commands/$name ]] || continue
    pid=$(pid_of "$name") || pid=ended
    printf '%s=%s\n' "$name" "$pid"
  done
}

# Whether the node takes pods. Until a kubelet has reported for the first time, the node has the state that
# its predecessor left; after that, it may have a taint for some seconds.
takes_pods() {
  local begun ready reported taints
  begun=$(date --date "$(ps --pid "$(pid_of kubelet)" --format lstart=)" +%s)
  IFS='|' read -r ready reported taints < <("$state/kubectl" --kubeconfig "$state/admin.kubeconfig" \
    get nodes --output jsonpath='{range .items[*].status.conditions[?(@.type=="Ready")]}{.status}|{.lastHeartbeatTime}{end}|{.items[*].spec.taints}')
  [[ $ready == True && -z $taints ]] && (($(date --date "$reported" +%s) >= begun))
}

# Brings back what a test has left stopped, and waits until pods can be created.
heal() {
  local name pid
  take_turn
  for name in "${components[@]}"; do
    [[ -f $state/commands/$name ]] || continue
    if pid=$(pid_of "$name"); then
      kill -CONT "$pid"
    else
      start "$name"
    fi
  done
  wait_for 60 "$state/kubectl" --kubeconfig "$state/admin.kubeconfig" get --raw /readyz
  wait_for 120 takes_pods || fail "the node does not become ready"
}

usage() {
  sed -n '/^# usage/,/^#  .*status/s/^# //p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

[[ $# -ge 2 || ${1-} == @(heal|status) ]] || usage
action=$1
shift
init_pid >/dev/null || fail "no node runs in $state: run up.sh"
case $action in
  start) start "$1" ;;
  stop) end TERM "$1" ;;
  kill) end KILL "$1" ;;
  restart)
    end TERM "$1"
    start "$1"
    ;;
  pause) kill -STOP "$(pid_of "$1")" ;;
  resume) kill -CONT "$(pid_of "$1")" ;;
  heal) heal ;;
  import)
    for archive; do
      ctr --address "$state/containerd.sock" --namespace k8s.io images import "$archive" >/dev/null
    done
    ;;
  exec) in_node "$@" ;;
  status) status ;;
  *) usage ;;
esac
