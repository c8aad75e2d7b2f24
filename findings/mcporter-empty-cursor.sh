#!/usr/bin/env bash
# npm mcporter 0.12.3 and PyPI fastmcp 4.2.3 (its command `fastmcp list`), MCP over Streamable HTTP on loopback.
#
# Seen: a server lists three tools on three pages. `nextCursor` is an opaque string, so "" is a cursor as well:
#   cursor of the second page    mcporter list       fastmcp list
#   "mid"                        one, two, three     one, two, three
#   ""                           one                 one, two, three
# mcporter sends no second tools/list for "", exits with 0 and prints no warning: a server or gateway whose first cursor
# can be empty (an encoded offset of zero, for example) loses tools in it. Both clients settle on `initialize` here, as
# the server has no other era.
#
# Usage: findings/mcporter-empty-cursor.sh    (needs node, npm and python3 with venv; exit 0 while it is as stated)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --no-audit --no-fund --loglevel=error mcporter@0.12.3 >/dev/null &
npm=$!
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet fastmcp==4.2.3
wait $npm
HOME=$folder python3 - "$folder" <<'PYTHON'
import http.server, json, re, subprocess, sys, threading

folder = sys.argv[1]


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    second, asked = "", []

    def log_message(self, *_):
        pass

    def answer(self, status, message=None):
        body = json.dumps(message).encode() if message else b""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(405)

    do_DELETE = do_GET

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "id" not in request:
            return self.answer(202)
        response = {"jsonrpc": "2.0", "id": request["id"]}
        if request["method"] == "initialize":
            response["result"] = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                                  "serverInfo": {"name": "pages", "version": "1"}}
        elif request["method"] == "tools/list":
            cursor = (request.get("params") or {}).get("cursor")
            self.asked.append(cursor)
            name, following = {None: ("one", self.second), self.second: ("two", "last"), "last": ("three", None)}[cursor]
            response["result"] = {"tools": [{"name": name, "inputSchema": {"type": "object"}}]}
            if following is not None:
                response["result"]["nextCursor"] = following
        else:
            response["error"] = {"code": -32601, "message": "Method not found"}
        self.answer(200, response)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/mcp"
CLIENTS = {
    "mcporter": [f"{folder}/node_modules/.bin/mcporter", "list", url, "--allow-http", "--json"],
    "fastmcp": [f"{folder}/venv/bin/fastmcp", "list", url],
}
ALL = ["one", "two", "three"]
for name, second, tools in [("mcporter", "mid", ALL), ("fastmcp", "mid", ALL), ("mcporter", "", ["one"]), ("fastmcp", "", ALL)]:
    Server.second, Server.asked = second, []
    run = subprocess.run(CLIENTS[name], cwd=folder, text=True, capture_output=True, timeout=60, check=True)
    seen = [tool for tool in ALL if re.search(rf"\b{tool}\b", run.stdout)]
    print(f"{name}, second cursor {second!r}: cursors sent {Server.asked}, tools printed {seen}")
    assert seen == tools, run.stdout + run.stderr
    assert Server.asked == [None, second, "last"][:len(tools)], Server.asked
    assert "cursor" not in (run.stdout + run.stderr).lower(), "a warning about the cursor"
server.shutdown()
PYTHON
