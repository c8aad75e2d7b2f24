#!/usr/bin/env bash
# Writes an image with programs, the shared libraries that they need, and the certificates of the machine.
#
# usage: program-image.sh ARCHIVE TAG PROGRAM...    a program is TARGET=SOURCE, such as /mcp-bridge=target/debug/mcp-bridge
#
# Its processes are those of user 65532, as in the images for users.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
archive=$1 tag=$2
shift 2

# The libraries of the programs, at the paths where the loader looks for them.
libraries() {
  local program
  for program; do
    ldd "${program#*=}" 2>/dev/null | grep --only-matching '/[^ ]*' || true
  done | sort --unique
}

certificates=/etc/ssl/certs/ca-certificates.crt
files=(--file "$certificates=$certificates")
for program; do
  files+=(--file "$program")
done
while read -r library; do
  files+=(--file "$library=$(readlink --canonicalize "$library")")
done < <(libraries "$@")
python3 "$here/mkimg.py" "${files[@]}" --user 65532:65532 --path /:/bin:/usr/bin "$archive" "$tag" "${1%%=*}"
