#!/usr/bin/env bash
# Lends a node to a run of tests: the one that runs on this machine, or a new one, which ends with the
# last run that uses it. Prints its state folder.
#
# usage: lend.sh PID    of the process that runs the tests
set -euo pipefail
# shellcheck source=tests/kube/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here borrower=${1:?PID}

take_turn
if [[ -e $current/ready ]] && init_of "$(readlink "$current")" >/dev/null; then
  lent=$(readlink "$current")
else
  "$here/down.sh"
  "$here/up.sh" >&2 8>&-
  lent=$state
  mkdir "$lent/borrowers"
  MCP_GATEWAY_KUBE_STATE=$lent setsid "$here/guard.sh" >"$lent/logs/guard.log" 2>&1 </dev/null 8>&- &
fi
# A node that somebody has started by hand has no such list, and stays.
if [[ -d $lent/borrowers ]]; then
  start_of "$borrower" >"$lent/borrowers/$borrower"
fi
printf '%s\n' "$lent"
