#!/usr/bin/env bash
# Starts a Kubernetes of one node in namespaces of its own: no packet of it leaves the machine.
#
# usage: up.sh [--control-plane]
#
# --control-plane starts etcd and the API server alone. Needs root. The programs are those in
# KUBE_PROGRAMS, or otherwise those that tests/env/install.sh --kubernetes installs: any version
# from 1.20. Afterwards ${MCP_GATEWAY_KUBE_STATE:-/var/lib/mcp-gateway-kube}/admin.kubeconfig is a
# configuration of kubectl with all rights. ctl.sh acts on components, down.sh ends everything.
set -euo pipefail
# shellcheck source=tests/kube/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here server="https://$node_address:6443" etcd=http://127.0.0.1:2379

case ${1-} in
  '') whole=true ;;
  --control-plane) whole=false ;;
  *)
    sed -n '/^# usage/s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
((EUID == 0)) || fail "needs root"
programs=${KUBE_PROGRAMS:-$("$here/../env/install.sh" --kubernetes)}
minor=$("$programs/kube-apiserver" --version | sed 's/.*v1\.\([0-9]*\)\..*/\1/')
readonly whole programs minor

# Takes the machine, or says who has it.
take() {
  local other
  if ! ln --symbolic --no-target-directory "$state" "$current" 2>/dev/null; then
    other=$(readlink "$current")
    ! init_of "$other" >/dev/null || fail "the node in $other runs already"
    # It did not survive a restart of the machine, or lost its first process.
    log "removing what is left of the node in $other"
    MCP_GATEWAY_KUBE_STATE=$other "$here/down.sh"
    ln --symbolic --no-target-directory "$state" "$current"
  fi
  [[ ! -e $state ]] || fail "$state exists: run down.sh"
  mkdir -p "$state"/{commands,logs,cni}
  chmod 700 "$state"
}

start_init() {
  setsid unshare --net --mount --pid --fork --kill-child --mount-proc bash "$here/init.sh" "$state" \
    >"$state/logs/init.log" 2>&1 </dev/null &
  wait_for 10 test -e "$state/init" || fail "cannot make namespaces: $(<"$state/logs/init.log")"
}

# Links the node with the machine. Without address translation, and with routes that end here,
# nothing from inside reaches another machine, nor does a late request to a pod that is gone.
connect() {
  local pid
  pid=$(init_pid)
  ip link add "$link" type veth peer name mcpkube1 netns "$pid"
  ip address add "$host_address/24" dev "$link"
  ip link set "$link" up
  in_node ip address add "$node_address/24" dev mcpkube1
  in_node ip link set mcpkube1 up
  in_node ip route add default via "$host_address"
  in_node ip route add "$service_network" dev mcpkube1
  ip route add "$pod_network" via "$node_address"
  ip route add "$service_network" via "$node_address"
  ip route add blackhole "$pod_network" metric 9999
}

# Starts component $1 with a command. ctl.sh starts it again with the same.
start() {
  local name=$1
  shift
  printf '%s\0' "$@" >"$state/commands/$name"
  MCP_GATEWAY_KUBE_STATE=$state "$here/ctl.sh" start "$name"
}

# A configuration of clients: name, token.
kubeconfig() {
  cat >"$state/$1.kubeconfig" <<END
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "$server", certificate-authority: $state/certificates/apiserver.crt}}]
users: [{name: $1, user: {token: $2}}]
contexts: [{name: $1, context: {cluster: test, user: $1}}]
current-context: $1
END
}

write_credentials() {
  local name
  local -A token
  for name in admin node proxy; do
    token[$name]=$(openssl rand -hex 16)
    kubeconfig "$name" "${token[$name]}"
  done
  cat >"$state/tokens.csv" <<END
${token[admin]},admin,admin,"system:masters"
${token[node]},system:node:node1,node1,"system:nodes"
${token[proxy]},system:kube-proxy,proxy
END
  openssl genrsa -out "$state/accounts.key" 2048 2>/dev/null
  openssl rsa -in "$state/accounts.key" -pubout -out "$state/accounts.pub" 2>/dev/null
}

start_control_plane() {
  start etcd "$(type -P etcd)" --data-dir "$state/etcd" --unsafe-no-fsync \
    --listen-client-urls "$etcd" --advertise-client-urls "$etcd" --listen-peer-urls http://127.0.0.1:2380
  start kube-apiserver "$programs/kube-apiserver" --etcd-servers="$etcd" --cert-dir="$state/certificates" \
    --bind-address=0.0.0.0 --advertise-address="$node_address" --secure-port=6443 \
    --service-cluster-ip-range="$service_network" --kubelet-preferred-address-types=InternalIP \
    --token-auth-file="$state/tokens.csv" --authorization-mode=Node,RBAC --allow-privileged=true \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-signing-key-file="$state/accounts.key" --service-account-key-file="$state/accounts.pub"
}

start_containerd() {
  cat >"$state/containerd.toml" <<END
version = 2
root = "$state/containerd/root"
state = "$state/containerd/state"
[grpc]
  address = "$state/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  # Root in a sandbox may not lower the score, and runc does not say so.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
END
  cat >"$state/cni/10-bridge.conflist" <<END
{"cniVersion": "0.4.0", "name": "bridge", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipam": {
    "type": "host-local", "ranges": [[{"subnet": "${pod_network/%16/24}"}]], "dataDir": "$state/addresses",
    "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
  start containerd "$(type -P containerd)" --config "$state/containerd.toml"
}

start_controllers() {
  start kube-controller-manager "$programs/kube-controller-manager" --kubeconfig="$state/admin.kubeconfig" \
    --root-ca-file="$state/certificates/apiserver.crt" --use-service-account-credentials=true \
    --service-account-private-key-file="$state/accounts.key" --leader-elect=false \
    --cert-dir="$state/certificates-controllers"
  start kube-scheduler "$programs/kube-scheduler" --kubeconfig="$state/admin.kubeconfig" --leader-elect=false \
    --cert-dir="$state/certificates-scheduler"
}

start_kubelet() {
  local runtime="unix://$state/containerd.sock"
  local -a flags=()
  cat >"$state/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
failSwapOn: false
oomScoreAdj: 0
enforceNodeAllocatable: []
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 50Mi, nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
clusterDNS: []
resolvConf: /dev/null
END
  if ((minor < 24)); then
    flags=(--container-runtime=remote "--container-runtime-endpoint=$runtime")
  else
    printf 'containerRuntimeEndpoint: %s\n' "$runtime" >>"$state/kubelet.yaml"
  fi
  if ((minor >= 35)) && [[ $(stat --file-system --format %T /sys/fs/cgroup) != cgroup2fs ]]; then
    printf 'failCgroupV1: false\n' >>"$state/kubelet.yaml"
  fi
  start kubelet "$programs/kubelet" --config="$state/kubelet.yaml" --kubeconfig="$state/node.kubeconfig" \
    --hostname-override=node1 --node-ip="$node_address" --cert-dir="$state/certificates-kubelet" "${flags[@]}"
}

start_proxy() {
  # The limits on connections are the machine's, not this node's.
  start kube-proxy "$programs/kube-proxy" --kubeconfig="$state/proxy.kubeconfig" --hostname-override=node1 \
    --proxy-mode=iptables --cluster-cidr="$pod_network" --conntrack-max-per-core=0 \
    --conntrack-tcp-timeout-established=0s
}

kubectl() { "$programs/kubectl" --kubeconfig "$state/admin.kubeconfig" "$@"; }

api_is_ready() { kubectl get --raw /readyz; }

runtime_is_ready() { ctr --address "$state/containerd.sock" version; }

node_is_ready() { kubectl get node node1 | grep --quiet ' Ready ' && kubectl get serviceaccount default; }

# Waits for a component: its name, seconds, the command that tells.
await() {
  local name=$1
  shift
  wait_for "$@" || fail "$name did not come up: $(tail -n 3 "$state"/logs/*.log)"
}

main() {
  take
  ln --symbolic "$programs/kubectl" "$state/kubectl"
  start_init
  connect
  write_credentials
  start_control_plane
  if $whole; then
    start_containerd
    "$here/images.sh" "$state/images"
    await containerd 30 runtime_is_ready
    MCP_GATEWAY_KUBE_STATE=$state "$here/ctl.sh" import "$state"/images/*.tar
  fi
  await kube-apiserver 90 api_is_ready
  if $whole; then
    start_controllers
    start_kubelet
    start_proxy
    await kubelet 120 node_is_ready
  fi
  touch "$state/ready"
  printf '%s\n' "$state/admin.kubeconfig"
}

main
