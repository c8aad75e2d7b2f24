#!/usr/bin/env bash
# Succeeds where a node can be built and started: for root on Debian 12 who may create namespaces.
#
# usage: supported.sh
set -euo pipefail

[[ $EUID == 0 && -r /etc/os-release ]]
# shellcheck source=/dev/null
(. /etc/os-release && [[ $ID == debian && $VERSION_ID == 12 ]])
unshare --mount --net --pid --fork true 2>/dev/null
