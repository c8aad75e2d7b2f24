#!/usr/bin/env bash
# npm @modelcontextprotocol/sdk 1.32.2 and @modelcontextprotocol/server 2.4.0, PyPI mcp 1.30.0 and 2.3.0;
# MCP 2025-11-25 over Streamable HTTP with sessions, on loopback.
#
# Seen: a tool waits until it is cancelled, and then ends. A second after the call the client sends
# `notifications/cancelled`, which all accept with 202. The response to the call:
#                    message                     its stream, 5 s later
#   TypeScript 1.32  none                        still open
#   TypeScript 2.4   none                        still open
#   Python 1.30      0 "Request cancelled"       ended
#   Python 2.3       -32800 "Request cancelled"  ended
# The specification says to send no response, and does not say what becomes of the stream. With the servers in TypeScript
# each cancelled call therefore occupies a connection until the client closes it, and a proxy in between must end its
# side by a rule of its own.
#
# Usage: findings/sdk-cancelled-stream.sh    (needs node 20, npm and python3 with venv; exit 0 while it is as stated)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-audit --no-fund --loglevel=error \
  @modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/server@2.4.0 zod@4.6.7 >/dev/null &
npm=$!
for version in 1.30.0 2.3.0; do
  python3 -m venv "mcp-$version"
  "mcp-$version/bin/pip" install --quiet "mcp==$version"
done
wait $npm
cat >one.mjs <<'JS'
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
const server = new McpServer({ name: "wait", version: "1" });
const aborted = (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
server.registerTool("wait", {}, ({ signal }) => aborted(signal));
const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID });
await server.connect(transport);
createServer((request, response) => transport.handleRequest(request, response)).listen(process.argv[2], "127.0.0.1");
JS
cat >two.mjs <<'JS'
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { McpServer, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
const server = new McpServer({ name: "wait", version: "1" });
const aborted = (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
server.registerTool("wait", {}, ({ mcpReq }) => aborted(mcpReq.signal));
const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: randomUUID });
await server.connect(transport);
createServer(async (message, response) => {
  const { method, headers } = message;
  const init = { method, headers, body: Readable.toWeb(message), duplex: "half" };
  const answer = await transport.handleRequest(new Request(`http://127.0.0.1${message.url}`, init));
  response.writeHead(answer.status, Object.fromEntries(answer.headers)).flushHeaders();
  if (answer.body) Readable.fromWeb(answer.body).pipe(response);
  else response.end();
}).listen(process.argv[2], "127.0.0.1");
JS
cat >server.py <<'PYTHON'
import sys
import anyio

options = {"host": "127.0.0.1", "port": int(sys.argv[1])}
try:
    from mcp.server.mcpserver import MCPServer
    server = MCPServer("wait", log_level="ERROR")
except ImportError:
    from mcp.server.fastmcp import FastMCP
    server, options = FastMCP("wait", log_level="ERROR", **options), {}

@server.tool()
async def wait() -> str:
    await anyio.sleep_forever()

server.run("streamable-http", **options)
PYTHON
cat >client.py <<'PYTHON'
import http.client, json, sys, threading, time

BOTH = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


def post(message, headers):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=6)
    connection.request("POST", "/mcp", json.dumps({"jsonrpc": "2.0", **message}), {**BOTH, **headers})
    return connection.getresponse()


def initialize():
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "finding", "version": "1"}}
    for _ in range(300):
        try:
            return post({"id": 1, "method": "initialize", "params": params}, {})
        except ConnectionRefusedError:
            time.sleep(0.1)


def call():
    response = post({"id": 2, "method": "tools/call", "params": {"name": "wait", "arguments": {}}}, session)
    text, end = b"", "ended"
    try:
        while chunk := response.read1():
            text += chunk
    except TimeoutError:
        end = "still open"
    data = [line[5:].strip() for line in text.decode().splitlines() if line.startswith("data:")]
    errors = [json.loads(message)["error"] for message in data if message]
    seen.extend([f"{error['code']} {error['message']!r}" for error in errors] or ["none"])
    seen.append(end)


begun, seen = initialize(), []
begun.read()
session = {"mcp-session-id": begun.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
post({"method": "notifications/initialized"}, session).read()
calling = threading.Thread(target=call)
calling.start()
time.sleep(1)
assert post({"method": "notifications/cancelled", "params": {"requestId": 2}}, session).status == 202
calling.join()
print(*seen, sep=", ")
PYTHON
seen=$(for server in "node one.mjs" "node two.mjs" "mcp-1.30.0/bin/python server.py" "mcp-2.3.0/bin/python server.py"; do
  port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
  $server "$port" >/dev/null 2>&1 &
  printf '%s: %s\n' "${server%% server.py}" "$(python3 client.py "$port" || true)"
  kill $!
done)
echo "$seen"
[ "$seen" = "node one.mjs: none, still open
node two.mjs: none, still open
mcp-1.30.0/bin/python: 0 'Request cancelled', ended
mcp-2.3.0/bin/python: -32800 'Request cancelled', ended" ]
