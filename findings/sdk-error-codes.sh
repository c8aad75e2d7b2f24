#!/usr/bin/env bash
# npm @modelcontextprotocol/sdk 1.32.2 and @modelcontextprotocol/server 2.4.0, PyPI mcp 1.30.0 and 2.3.0;
# MCP 2025-11-25 over stdio.
#
# Seen: the same server (one tool, one prompt with the required argument `who`, one resource) answers with
#                                  TypeScript 1.32   TypeScript 2.4   Python 1.30   Python 2.3
#   tools/call, unknown tool       isError           -32602           isError       isError
#   prompts/get, unknown prompt    -32602            -32602           0             0
#   prompts/get without `who`      -32602            -32602           0             0
#   prompts/get, one more argument a result          a result         0             0
#   resources/read, unknown URI    -32602            -32602           0             -32602
#   an unknown method              -32601            -32601           -32602        -32601
# Code 0 is no code of JSON-RPC or MCP, and a test such as `if (error.code)` takes it for success. A probe for a method,
# server/discover for example, must accept -32602 for "method not found".
#
# Usage: findings/sdk-error-codes.sh    (needs node 20, npm and python3 with venv; exit 0 while it is as stated)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --no-audit --no-fund --loglevel=error \
  @modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/server@2.4.0 zod@4.6.7 >/dev/null &
npm=$!
for version in 1.30.0 2.3.0; do
  python3 -m venv "$folder/mcp-$version"
  "$folder/mcp-$version/bin/pip" install --quiet "mcp==$version"
done
wait $npm
cat >"$folder/parts.mjs" <<'JS'
export const add = (server, argsSchema) => {
  server.registerTool("tool", {}, async () => ({ content: [] }));
  server.registerPrompt("prompt", { argsSchema }, async ({ who }) => ({
    messages: [{ role: "user", content: { type: "text", text: who } }],
  }));
  server.registerResource("note", "note://one", {}, async (uri) => ({ contents: [{ uri: uri.href, text: "" }] }));
  return server;
};
JS
cat >"$folder/one.mjs" <<'JS'
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";
import { add } from "./parts.mjs";
await add(new McpServer({ name: "codes", version: "1" }), { who: z.string() }).connect(new StdioServerTransport());
JS
cat >"$folder/two.mjs" <<'JS'
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";
import { add } from "./parts.mjs";
await serveStdio(() => add(new McpServer({ name: "codes", version: "1" }), z.object({ who: z.string() })));
JS
cat >"$folder/server.py" <<'PYTHON'
try:
    from mcp.server.mcpserver import MCPServer as Server
except ImportError:
    from mcp.server.fastmcp import FastMCP as Server
server = Server("codes")
server.tool(name="tool")(lambda: "")
@server.prompt()
def prompt(who: str) -> str:
    return who
@server.resource("note://one")
def note() -> str:
    return ""
server.run()
PYTHON
python3 - "$folder" <<'PYTHON'
import json, subprocess, sys

folder = sys.argv[1]
REQUESTS = [
    ("tools/call", {"name": "other", "arguments": {}}),
    ("prompts/get", {"name": "other"}),
    ("prompts/get", {"name": "prompt"}),
    ("prompts/get", {"name": "prompt", "arguments": {"who": "a", "more": "b"}}),
    ("resources/read", {"uri": "note://two"}),
    ("example/method", {}),
]
SERVERS = {
    "TypeScript 1.32": (["node", f"{folder}/one.mjs"], ["isError", -32602, -32602, "result", -32602, -32601]),
    "TypeScript 2.4": (["node", f"{folder}/two.mjs"], [-32602, -32602, -32602, "result", -32602, -32601]),
    "Python 1.30": ([f"{folder}/mcp-1.30.0/bin/python", f"{folder}/server.py"], ["isError", 0, 0, 0, 0, -32602]),
    "Python 2.3": ([f"{folder}/mcp-2.3.0/bin/python", f"{folder}/server.py"], ["isError", 0, 0, 0, -32602, -32601]),
}
for name, (command, expected) in SERVERS.items():
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ask(number, method, params):
        program.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n")
        program.stdin.flush()
        message = next(message for message in map(json.loads, program.stdout) if message.get("id") == number)
        if "error" in message:
            return message["error"]["code"]
        return "isError" if message["result"].get("isError") else "result"

    ask(0, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "finding", "version": "1"}})
    program.stdin.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
    seen = [ask(number, *request) for number, request in enumerate(REQUESTS, 1)]
    program.kill()
    print(f"{name}: {seen}")
    assert seen == expected, (name, expected)
PYTHON
