#!/usr/bin/env bash
# npm @modelcontextprotocol/server-basic-react 2.0.3 and @modelcontextprotocol/server 2.0.0 and 2.4.0;
# MCP 2026-07-28 and 2025-11-25 over Streamable HTTP, without a socket.
#
# The former exports `createServer(): McpServer`, the type being that of the latter; its file contains a copy of server
# 2.0.0. Seen, if `createMcpHandler` of either version gets a factory:
#                                   initialize (2025-11-25)   server/discover, tools/list (2026-07-28)
#   a McpServer of its own          200                       200
#   createServer                    200                       500 -32603 "Internal server error"
#   () => createServer().server     200                       200
# `onerror` gets "Cannot read properties of undefined (reading 'includes')": the handler finds the inner server of a
# McpServer by `instanceof`, which is false for the class of another copy, even of the same version. So a bundled server,
# or one of two copies that npm installs, works for legacy clients and fails for all modern ones.
#
# Usage: findings/ext-apps-bundled-server.sh    (needs node 20 and npm; exit 0 while it is as stated)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-audit --no-fund --loglevel=error @modelcontextprotocol/server-basic-react@2.0.3 \
  server-2.0.0@npm:@modelcontextprotocol/server@2.0.0 server-2.4.0@npm:@modelcontextprotocol/server@2.4.0 >/dev/null
cat >ask.mjs <<'JS'
import { createServer } from "@modelcontextprotocol/server-basic-react";

const modern = "2026-07-28";
const _meta = {
  "io.modelcontextprotocol/protocolVersion": modern,
  "io.modelcontextprotocol/clientInfo": { name: "finding", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
const clientInfo = { name: "finding", version: "1" };
const REQUESTS = {
  initialize: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo },
  "server/discover": { _meta },
  "tools/list": { _meta },
};

for (const version of ["2.0.0", "2.4.0"]) {
  const { createMcpHandler, McpServer } = await import(`server-${version}`);
  const own = () => {
    const server = new McpServer({ name: "own", version: "1" });
    server.registerTool("tool", {}, async () => ({ content: [] }));
    return server;
  };
  const factories = { own, createServer, inner: () => createServer().server };
  for (const [name, factory] of Object.entries(factories)) {
    for (const [method, params] of Object.entries(REQUESTS)) {
      const errors = new Set();
      const handler = createMcpHandler(factory, { onerror: (error) => errors.add(error.message) });
      const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
      if (params._meta) Object.assign(headers, { "mcp-protocol-version": modern, "mcp-method": method });
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
      const response = await handler.fetch(new Request("http://localhost/mcp", { method: "POST", headers, body }));
      const text = await response.text();
      const code = /"error":\{"code":(-\d+),"message":"([^"]*)"/.exec(text)?.slice(1).join(" ") ?? "result";
      console.log([version, name, method, response.status, code, ...errors].join(" | "));
      await handler.close();
    }
  }
}
JS
seen=$(node ask.mjs)
echo "$seen"
expected=$(for version in 2.0.0 2.4.0; do
  for name in own createServer inner; do
    for method in initialize server/discover tools/list; do
      case $name,$method in
        createServer,[st]*)
          echo "$version | $name | $method | 500 | -32603 Internal server error |" \
            "Cannot read properties of undefined (reading 'includes')" ;;
        *) echo "$version | $name | $method | 200 | result" ;;
      esac
    done
  done
done)
[ "$seen" = "$expected" ]
