#!/usr/bin/env bash
# Runs a PostgreSQL server for tests until standard input ends, and leaves nothing behind.
#
# A line of standard input, `kill` or `start`, kills the server with all of its processes or starts it
# again.
#
# usage: postgres.sh BIN FOLDER PORT    BIN has its programs; FOLDER is new, and removed at the end
#
# Writes a line when the server accepts connections, and when it has been killed. It does not wait for
# the disk: what it has written outlives its processes.
set -euo pipefail

bin=$1 folder=$2 port=$3
as=()
# PostgreSQL does not run as root.
if ((EUID == 0)); then
  as=(setpriv --reuid=postgres --regid=postgres --init-groups)
  chown postgres "$folder"
fi
cd "$folder"

stop() {
  "${as[@]}" "$bin/pg_ctl" --pgdata=data --mode=immediate --silent stop || true
  rm -rf "$folder"
}
trap stop EXIT

"${as[@]}" "$bin/initdb" --pgdata=data --username=postgres --auth=trust --no-sync \
  --encoding=UTF8 --locale=C.UTF-8 >&2
start() {
  # A folder of a test run may have a longer name than a socket can have.
  "${as[@]}" "$bin/pg_ctl" --pgdata=data --log=log --wait --silent start --options "-p $port \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=300" ||
    { cat log >&2; exit 1; }
  echo ready
}

end() {
  local server children
  server=$(head -n 1 data/postmaster.pid)
  # Stopped, it starts no further process.
  kill -STOP "$server"
  children=$(pgrep --parent "$server")
  # shellcheck disable=SC2086 # the numbers of processes
  kill -KILL "$server" $children
  # Nobody may have reaped it yet.
  rm data/postmaster.pid
  echo killed
}

start
# The end of the test process is the end of its pipe, however it ended.
while read -r command; do
  case $command in
    kill) end ;;
    start) start ;;
  esac
done
