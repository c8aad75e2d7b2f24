#!/usr/bin/env bash
# npm @modelcontextprotocol/sdk 1.32.2, PyPI mcp 2.3.0 and fastmcp 4.2.3; MCP 2025-11-25 over stdio.
#
# Seen: one tool with the optional arguments `count` (an integer) and `place` (an object with `x`):
#   arguments                    TypeScript 1.32    Python 2.3    FastMCP 4.2
#   {"count": "2"}               isError            count is 2    count is 2
#   {"place": "{\"x\": 1}"}      isError            an object     isError
#   {"count": null}              isError            accepted      accepted
#   {"more": 1}                  accepted, dropped  accepted,     isError
#                                                   dropped
# The last two rows follow the `inputSchema` that each lists: Python's has null as a type, FastMCP's closes the object. Where
# a text is accepted in the first two, no schema has text as a type. A client that validates arguments before it
# sends them is stricter than the Python servers, and a call that works with one implementation is an error with another.
#
# Usage: findings/sdk-tool-arguments.sh    (needs node, npm and python3 with venv; exit 0 while it is as stated)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --no-audit --no-fund --loglevel=error @modelcontextprotocol/sdk@1.32.2 zod@4.6.7 >/dev/null &
npm=$!
for package in mcp==2.3.0 fastmcp==4.2.3; do
  python3 -m venv "$folder/$package"
  "$folder/$package/bin/pip" install --quiet "$package"
done
wait $npm
cat >"$folder/server.mjs" <<'JS'
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";
const server = new McpServer({ name: "arguments", version: "1" });
const inputSchema = { count: z.number().int().optional(), place: z.object({ x: z.number() }).optional() };
server.registerTool("show", { inputSchema }, async ({ count = null, place = null, ...rest }) => ({
  content: [{ type: "text", text: JSON.stringify([count, place && place.x, Object.keys(rest).length]) }],
}));
await server.connect(new StdioServerTransport());
JS
cat >"$folder/server.py" <<'PYTHON'
import json
from pydantic import BaseModel
try:
    from fastmcp import FastMCP as Server
except ImportError:
    from mcp.server.mcpserver import MCPServer as Server
class Place(BaseModel):
    x: int
server = Server("arguments")
@server.tool()
def show(count: int | None = None, place: Place | None = None) -> str:
    return json.dumps([count, place and place.x, 0])
server.run()
PYTHON
python3 - "$folder" <<'PYTHON'
import json, subprocess, sys

folder = sys.argv[1]
CALLS = [{"count": 2, "place": {"x": 1}}, {"count": "2"}, {"place": '{"x": 1}'}, {"count": None}, {"more": 1}]
ALL, NONE, COUNT, PLACE = [2, 1, 0], [None, None, 0], [2, None, 0], [None, 1, 0]
SERVERS = {
    "TypeScript 1.32": (["node", f"{folder}/server.mjs"], [ALL, "isError", "isError", "isError", NONE]),
    "Python 2.3": ([f"{folder}/mcp==2.3.0/bin/python", f"{folder}/server.py"], [ALL, COUNT, PLACE, NONE, NONE]),
    "FastMCP 4.2": ([f"{folder}/fastmcp==4.2.3/bin/python", f"{folder}/server.py"], [ALL, COUNT, "isError", NONE, "isError"]),
}
for name, (command, expected) in SERVERS.items():
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ask(number, method, params):
        program.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n")
        program.stdin.flush()
        return next(message for message in map(json.loads, program.stdout) if message.get("id") == number)["result"]

    ask(0, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "finding", "version": "1"}})
    program.stdin.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
    seen = []
    for number, arguments in enumerate(CALLS, 1):
        result = ask(number, "tools/call", {"name": "show", "arguments": arguments})
        seen.append("isError" if result.get("isError") else json.loads(result["content"][0]["text"]))
    program.kill()
    print(f"{name}: {seen}")
    assert seen == expected, (name, expected)
PYTHON
