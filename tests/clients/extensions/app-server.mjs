// Serves the HTML of a published MCP App with the server helpers of its SDK, in the modern era.
// The published programs are of the legacy era.
//
// usage: node app-server.mjs MODULES PACKAGE
//
// MODULES is the folder with the npm packages.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, name] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(modules, path)).href);
const { McpServer } = await load("@modelcontextprotocol/server/dist/index.mjs");
const { serveStdio } = await load("@modelcontextprotocol/server/dist/stdio.mjs");
const apps = await load("@modelcontextprotocol/ext-apps/dist/src/server/index.js");
const { z } = await load("zod/v4/index.js");

/** Tools as the published programs have them; the first one opens the app. */
const TOOLS = {
  "get-time": () => ({ time: new Date().toISOString() }),
  "get-system-info": () => ({
    hostname: "modern",
    platform: "any",
    arch: "any",
    cpu: { model: "any", count: 1 },
    memory: { totalBytes: 2 ** 30 },
  }),
  "poll-system-stats": () => ({
    cpu: { cores: [{ idle: 1, total: 2 }] },
    memory: { usedBytes: 2 ** 29, usedPercent: 50, freeBytes: 2 ** 29 },
    uptime: { seconds: 7200 },
    timestamp: new Date().toISOString(),
  }),
};

const monitor = name === "server-system-monitor";
const [app, tools] = monitor
  ? ["system-monitor", ["get-system-info", "poll-system-stats"]]
  : ["get-time", ["get-time"]];
const resourceUri = `ui://${app}/mcp-app.html`;

function server() {
  const server = new McpServer({ name, version: "1" });
  for (const [at, tool] of tools.entries()) {
    const ui = at === 0 ? { resourceUri } : { visibility: ["app"] };
    const definition = { description: tool, inputSchema: z.object({}), _meta: { ui } };
    apps.registerAppTool(server, tool, definition, async () => {
      const structuredContent = TOOLS[tool]();
      return { content: [{ type: "text", text: JSON.stringify(structuredContent) }], structuredContent };
    });
  }
  apps.registerAppResource(server, app, resourceUri, {}, async () => {
    const path = join(modules, "@modelcontextprotocol", name, "dist/mcp-app.html");
    const text = await readFile(path, "utf-8");
    return { contents: [{ uri: resourceUri, mimeType: apps.RESOURCE_MIME_TYPE, text }] };
  });
  return server;
}

serveStdio(server, { legacy: "reject" });
