#!/usr/bin/env bash
# Builds the programs of Kubernetes from the source package of Debian 12.
#
# usage: build.sh FOLDER    writes the programs and a file `version` to FOLDER
#
# Takes about 9 minutes of one core, and 3 GB below FOLDER while it runs. Needs root for apt, whose
# own settings and lists stay as they are.
set -euo pipefail

readonly programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
readonly go=/usr/lib/go-1.19
readonly reflect2=github.com/modern-go/reflect2

log() { printf '%s\n' "$*" >&2; }

# apt-get or apt-cache ($1) with the sources of packages, in a view that only this script has.
with_sources() {
  local program=$1
  shift
  "$program" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts="$work/sources.d" \
    -o Dir::State::lists="$work/lists" -o APT::Sandbox::User=root "$@"
}

# Copies the machine's own list of archives, and asks them for sources too.
enable_sources() {
  local one=/etc/apt/sources.list many=/etc/apt/sources.list.d/debian.sources
  mkdir -p "$work/sources.d" "$work/lists/partial"
  : >"$work/sources.list"
  if [[ -f $one ]]; then
    sed -n 's/^deb /deb-src /p' "$one" >"$work/sources.list"
  fi
  if [[ -f $many ]]; then
    sed 's/^Types: deb$/Types: deb deb-src/' "$many" >"$work/sources.d/debian.sources"
  fi
  with_sources apt-get update --quiet=2
}

# Unpacks the source into $work/source.
unpack() {
  cd "$work"
  with_sources apt-get source --quiet=2 --only-source kubernetes
  mv kubernetes-*/ source
  # The vendored version stops programs that Go 1.18 or newer has built as soon as they meet a
  # custom resource. Debian's own package has the next one.
  rm -f "source/vendor/$reflect2"/*.go "source/vendor/$reflect2"/*.s
  cp "/usr/share/gocode/src/$reflect2"/*.go "/usr/share/gocode/src/$reflect2"/*.s "source/vendor/$reflect2/"
}

# Debian's name of the version: 1.20.5+really1.20.2-1 is the source of 1.20.2.
upstream_version() {
  local version
  version=$(cd "$work/source" && dpkg-parsechangelog --show-field Version)
  version=${version#*+really}
  printf '%s' "${version%%-*}"
}

compile() {
  local version=$1 major minor
  cd "$work/source"
  IFS=. read -r major minor _ <<<"$version"
  printf "KUBE_GIT_COMMIT='debian'\nKUBE_GIT_TREE_STATE='clean'\nKUBE_GIT_VERSION='v%s'\nKUBE_GIT_MAJOR='%s'\nKUBE_GIT_MINOR='%s'\n" \
    "$version" "$major" "$minor" >"$work/version.sh"
  # The tree has no files for Go's modules, so it has to be at its place in a GOPATH.
  mkdir -p .go/src/k8s.io
  ln -sfn ../../.. .go/src/k8s.io/kubernetes
  # One way to link, so that the packages are compiled once.
  PATH="$go/bin:$PATH" KUBE_STATIC_OVERRIDES="${programs[*]}" CGO_ENABLED=0 GO111MODULE=off GOPROXY=off GOPATH="$PWD/.go" GOCACHE="$work/cache" \
    KUBE_GIT_VERSION_FILE="$work/version.sh" make WHAT="${programs[*]/#/cmd/}"
}

main() {
  local version
  enable_sources
  unpack
  version=$(upstream_version)
  log "building Kubernetes $version"
  compile "$version"
  cp "${programs[@]/#/$work/source/_output/local/bin/linux/$("$go/bin/go" env GOARCH)/}" "$folder/"
  printf '%s\n' "$version" >"$folder/version"
  chmod -R u+w "$work"
  rm -rf "$work"
}

if [[ $# -ne 1 ]]; then
  sed -n '/^# usage/s/^# //p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
mkdir -p "$1"
folder=$(readlink --canonicalize "$1")
work=$folder/work
readonly folder work
mkdir -p "$work"
main
