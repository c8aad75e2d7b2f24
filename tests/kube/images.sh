#!/usr/bin/env bash
# Writes the images that each node has.
#
# usage: images.sh FOLDER
#
# localhost/pause:1     the process that keeps a pod
# localhost/busybox:1   a shell and its tools, with no command of its own; answers HTTP with
#                       `busybox httpd -f -p 8080 -h /www`
# localhost/empty:1     empty folders for volumes of the machine's own programs (/usr, /lib, /lib64)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1
work=$(mktemp --directory)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"

gcc -static -Os -s -Wall -Wextra -Werror -o "$work/pause" "$here/pause.c"
echo ok >"$work/index.html"
busybox=$(type -P busybox)
# Its name, then its files and its command.
write() {
  local name=$1 files=()
  shift
  while [[ ${1-} == *=* ]]; do
    files+=(--file "$1")
    shift
  done
  python3 "$here/mkimg.py" "${files[@]}" "$folder/$name.tar" "localhost/$name:1" "$@"
}

write pause "/pause=$work/pause" /pause
write busybox "/bin/busybox=$busybox" "/bin/sh=$busybox" "/www/index.html=$work/index.html"
write empty "/tmp/empty=/dev/null" /usr/bin/env
