#!/usr/bin/env bash
# Ends the node when the last process of its list has ended. Started by lend.sh.
set -euo pipefail
# shellcheck source=tests/kube/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

is_lent() {
  local entry
  for entry in "$state"/borrowers/*; do
    [[ -e $entry && $(start_of "${entry##*/}") == "$(<"$entry")" ]] && return
  done
  return 1
}

while :; do
  # A new run finds it within its first seconds.
  until [[ -n $(ls "$state/borrowers") ]]; do
    sleep 1
  done
  while is_lent; do
    sleep 1
  done
  take_turn
  if ! is_lent; then
    "$here/down.sh"
    exit
  fi
  exec 8>&-
done
