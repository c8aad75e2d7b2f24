#!/usr/bin/env bash
# npm @modelcontextprotocol/sdk 1.32.2 and @modelcontextprotocol/client 2.4.0, PyPI mcp 1.30.0 and 2.3.0;
# MCP 2025-11-25 over stdio.
#
# A property whose schema is `true` accepts any value (JSON Schema 2020-12, section 4.3.2, the default dialect of MCP
# since 2025-11-25). A server lists two tools, one of which has such a property. Seen, by the place of the property:
#                   TypeScript 1.32   TypeScript 2.4   Python 1.30   Python 2.3
#   nowhere         2 tools           2 tools          2 tools       2 tools
#   inputSchema     no list           2 tools          2 tools       2 tools
#   outputSchema    no list           2 tools          2 tools       2 tools
# The older SDK rejects the whole response with a ZodError, so that one tool costs its users all tools of the server, and
# behind a gateway those of all servers.
#
# Usage: findings/sdk-boolean-schemas.sh    (needs node 20, npm and python3 with venv; exit 0 while it is as stated)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-audit --no-fund --loglevel=error \
  @modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/client@2.4.0 >/dev/null &
npm=$!
for version in 1.30.0 2.3.0; do
  python3 -m venv "mcp-$version"
  "mcp-$version/bin/pip" install --quiet "mcp==$version"
done
wait $npm
cat >server.py <<'PYTHON'
import json
import sys

def schema(**more):
    return {"type": "object", "properties": {"text": {"type": "string"}, **more}}

first = {
    "nowhere": {"name": "first", "inputSchema": schema()},
    "inputSchema": {"name": "first", "inputSchema": schema(value=True)},
    "outputSchema": {"name": "first", "inputSchema": schema(), "outputSchema": schema(value=True)},
}[sys.argv[1]]
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    answer = {"error": {"code": -32601, "message": "Method not found"}}
    if message["method"] == "initialize":
        answer = {"result": {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                             "serverInfo": {"name": "schemas", "version": "1"}}}
    elif message["method"] == "tools/list":
        answer = {"result": {"tools": [first, {"name": "second", "inputSchema": schema()}]}}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}), flush=True)
PYTHON
for name in sdk client; do
  case $name in
    sdk) client=sdk/client/index.js stdio=sdk/client/stdio.js ;;
    client) client=client stdio=client/stdio ;;
  esac
  cat >"$name.mjs" <<JS
import { Client } from "@modelcontextprotocol/$client";
import { StdioClientTransport } from "@modelcontextprotocol/$stdio";
const client = new Client({ name: "schemas", version: "1" });
await client.connect(new StdioClientTransport({ command: "python3", args: ["server.py", process.argv[2]] }));
const listed = await client.listTools().then(({ tools }) => \`\${tools.length} tools\`, () => "no list");
console.log(listed);
await client.close();
JS
done
cat >client.py <<'PYTHON'
import asyncio
import sys
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

async def main():
    server = StdioServerParameters(command="python3", args=["server.py", sys.argv[1]])
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        try:
            print(len((await session.list_tools()).tools), "tools")
        except ValueError:
            print("no list")

asyncio.run(main())
PYTHON
seen=$(for place in nowhere inputSchema outputSchema; do
  printf '%s: %s, %s, %s, %s\n' "$place" "$(node sdk.mjs $place)" "$(node client.mjs $place)" \
    "$(mcp-1.30.0/bin/python client.py $place)" "$(mcp-2.3.0/bin/python client.py $place)"
done)
echo "$seen"
[ "$seen" = "nowhere: 2 tools, 2 tools, 2 tools, 2 tools
inputSchema: no list, 2 tools, 2 tools, 2 tools
outputSchema: no list, 2 tools, 2 tools, 2 tools" ]
