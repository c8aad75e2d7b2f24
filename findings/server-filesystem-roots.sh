#!/usr/bin/env bash
# npm @modelcontextprotocol/server-filesystem 2026.8.31, MCP 2025-06-18 over stdio.
#
# Seen: the directories of its command line are only a default. A client that declares `roots` is asked
# for them right after `notifications/initialized`, and its answer REPLACES them:
#   - one root, a `file://` URI    -> that directory alone is allowed
#   - an empty list of roots       -> ignored: the directories of the command line stay, with a line on
#                                     stderr; the client is not told
# Whoever puts a client of somebody else in front of this server therefore has to withhold the capability.
#
# Usage: findings/server-filesystem-roots.sh    (needs node, npm and python3; exit 0 while it is as stated)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --no-audit --no-fund --loglevel=error \
  @modelcontextprotocol/server-filesystem@2026.8.31 >/dev/null
mkdir "$folder/configured" "$folder/declared"
python3 - "$folder" <<'PYTHON'
import json, os, subprocess, sys

folder = os.path.realpath(sys.argv[1])
configured, declared = f"{folder}/configured", f"{folder}/declared"
server = f"{folder}/node_modules/.bin/mcp-server-filesystem"


def allowed(roots):
    """The directories that the server allows after a client has declared `roots`."""
    program = subprocess.Popen(
        [server, configured], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True)

    def send(**message):
        program.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        program.stdin.flush()

    def until(accepts):
        for line in program.stdout:
            message = json.loads(line)
            if accepts(message):
                return message
        raise SystemExit("the server ended")

    try:
        send(id=1, method="initialize", params={
            "protocolVersion": "2025-06-18", "capabilities": {"roots": {}},
            "clientInfo": {"name": "finding", "version": "1"}})
        until(lambda message: message.get("id") == 1)
        send(method="notifications/initialized")
        question = until(lambda message: message.get("method") == "roots/list")
        send(id=question["id"], result={"roots": roots})
        # Answered after the roots have been taken over, or not: ask until two answers are the same.
        last = None
        for number in range(2, 50):
            send(id=number, method="tools/call",
                 params={"name": "list_allowed_directories", "arguments": {}})
            answer = until(lambda message: message.get("id") == number)
            text = answer["result"]["content"][0]["text"]
            if text == last and number > 20:
                return text.splitlines()[1:]
            last = text
        raise SystemExit("the directories keep changing")
    finally:
        program.kill()
        program.wait()


cases = [
    ("a file:// URI", [{"uri": f"file://{declared}"}], [declared]),
    ("no roots", [], [configured]),
]
for name, roots, expected in cases:
    seen = allowed(roots)
    print(f"{name}: {[os.path.basename(path) for path in seen]}")
    if seen != expected:
        raise SystemExit(f"{name}: expected {expected}, saw {seen}")
PYTHON
