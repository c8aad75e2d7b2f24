#!/usr/bin/env bash
# npm @modelcontextprotocol/sdk 1.32.2 and @modelcontextprotocol/server 2.4.0, PyPI mcp 1.30.0 and 2.3.0;
# MCP 2025-11-25 over stdio.
#
# Seen: one tool that waits 2 s and then writes a file, as each SDK's guide writes it. The call is interrupted after 0.5 s,
# by `notifications/cancelled` or by the end of standard input (how a client shuts a stdio server down):
#                    cancelled: response    file written   | end of input: response        file written
#   TypeScript 1.32  none                   yes            | the tool's result             yes
#   TypeScript 2.4   none                   yes            | none                          yes
#   Python 1.30      0 "Request cancelled"  no             | none                          no
#   Python 2.3       none                   no             | -32000 "Connection closed"    no
# All exit with 0 at the end of input. No response therefore does not mean that nothing was done: a client that retries
# makes a TypeScript server do the work twice. `printf ... | server` prints the result with the first of the four only.
#
# Usage: findings/sdk-running-call.sh    (needs node 20, npm and python3 with venv; exit 0 while it is as stated)
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
cat >"$folder/tool.mjs" <<'JS'
import { writeFileSync } from "node:fs";
export const add = (server, inputSchema) => {
  server.registerTool("work", { inputSchema }, async () => {
    await new Promise((resolve) => setTimeout(resolve, 2000));
    writeFileSync(process.argv[2], "");
    return { content: [{ type: "text", text: "done" }] };
  });
  return server;
};
JS
cat >"$folder/one.mjs" <<'JS'
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { add } from "./tool.mjs";
await add(new McpServer({ name: "work", version: "1" }), {}).connect(new StdioServerTransport());
JS
cat >"$folder/two.mjs" <<'JS'
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";
import { add } from "./tool.mjs";
await serveStdio(() => add(new McpServer({ name: "work", version: "1" }), z.object({})));
JS
cat >"$folder/server.py" <<'PYTHON'
import asyncio, pathlib, sys
try:
    from mcp.server.mcpserver import MCPServer as Server
except ImportError:
    from mcp.server.fastmcp import FastMCP as Server
server = Server("work")
@server.tool()
async def work() -> str:
    await asyncio.sleep(2)
    pathlib.Path(sys.argv[1]).touch()
    return "done"
server.run()
PYTHON
python3 - "$folder" <<'PYTHON'
import itertools, json, os, queue, subprocess, sys, threading, time

folder, numbers = sys.argv[1], itertools.count()
NONE, RESULT = "none", "result: done"
SERVERS = {
    "TypeScript 1.32": (["node", f"{folder}/one.mjs"], (NONE, True), (RESULT, True)),
    "TypeScript 2.4": (["node", f"{folder}/two.mjs"], (NONE, True), (NONE, True)),
    "Python 1.30": ([f"{folder}/mcp-1.30.0/bin/python", f"{folder}/server.py"],
                    ("0: Request cancelled", False), (NONE, False)),
    "Python 2.3": ([f"{folder}/mcp-2.3.0/bin/python", f"{folder}/server.py"],
                   (NONE, False), ("-32000: Connection closed", False)),
}


def interrupt(command, by_end_of_input):
    """The response to the interrupted call, and whether the tool did its work."""
    written = f"{folder}/written-{next(numbers)}"
    program = subprocess.Popen([*command, written], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    lines = queue.Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in program.stdout], daemon=True).start()

    def send(**message):
        program.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        program.stdin.flush()

    send(id=1, method="initialize", params={"protocolVersion": "2025-11-25", "capabilities": {},
                                            "clientInfo": {"name": "finding", "version": "1"}})
    lines.get(timeout=60)
    send(method="notifications/initialized")
    send(id=2, method="tools/call", params={"name": "work", "arguments": {}})
    time.sleep(0.5)
    if by_end_of_input:
        program.stdin.close()
        assert program.wait(30) == 0, program.returncode
        time.sleep(0.2)
    else:
        send(method="notifications/cancelled", params={"requestId": 2})
        time.sleep(4)
        program.kill()
    response = NONE
    while not lines.empty():
        message = json.loads(lines.get())
        if message.get("id") == 2:
            error, result = message.get("error"), message.get("result")
            response = f"{error['code']}: {error['message']}" if error else f"result: {result['content'][0]['text']}"
    return response, os.path.exists(written)


for name, (command, *expected) in SERVERS.items():
    seen = [interrupt(command, by_end_of_input) for by_end_of_input in (False, True)]
    print(f"{name}: cancelled {seen[0]}, end of input {seen[1]}")
    assert seen == expected, (name, expected)
PYTHON
