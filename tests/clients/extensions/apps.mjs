// A host of MCP Apps: renders the apps of servers in Chromium, and uses them as a person does.
//
// usage: node apps.mjs PLANS
//
// The environment names the browser and the npm packages (see ../login/chromium.mjs). PLANS is a
// JSON array: to connect to `url` as `person` in the era `era`, to wait until the tools `awaits` are
// listed, and to open the apps of the tools `opens`, one after the other. Prints what the host sees of each plan, as one line of JSON: the
// tools that it shows to the model, and what the apps show.

import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { launch } from "../login/chromium.mjs";

const plans = JSON.parse(process.argv[2]);
const load = (path) => import(pathToFileURL(join(process.env.NODE_MODULES, path)).href);
const sdk = await load("@modelcontextprotocol/client/dist/index.mjs");
const apps = await load("@modelcontextprotocol/ext-apps/dist/src/app-bridge.js");
const host = { name: "host of apps", version: "1" };

async function connect({ url, person, era }) {
  const ui = { mimeTypes: ["text/html;profile=mcp-app"] };
  const capabilities = { extensions: { "io.modelcontextprotocol/ui": ui } };
  const mode = era === "modern" ? { pin: "2026-07-28" } : "legacy";
  const client = new sdk.Client(host, { capabilities, versionNegotiation: { mode } });
  const requestInit = { headers: { authorization: `Bearer ${person}` } };
  await client.connect(new sdk.StreamableHTTPClientTransport(new URL(url), { requestInit }));
  return client;
}

/** Renders an app in a frame of `page`, and returns the transport of its messages. */
async function render(page, html, bridge) {
  const transport = {
    start: async () => {},
    close: async () => {},
    send: (message) => page.evaluate((message) => window.toApp(message), message),
  };
  await page.exposeFunction("toHost", (message) => transport.onmessage?.(message));
  const initialized = new Promise((resolve) => bridge.addEventListener("initialized", resolve));
  await bridge.connect(transport);
  await page.evaluate((html) => {
    const frame = document.body.appendChild(document.createElement("iframe"));
    frame.sandbox = "allow-scripts";
    window.toApp = (message) => frame.contentWindow.postMessage(message, "*");
    window.addEventListener("message", ({ data }) => window.toHost(data));
    frame.srcdoc = html;
  }, html);
  await initialized;
}

/** Opens the app of `tool`, as a host does when the model has called it. */
async function open(client, browser, tool) {
  const uri = apps.getToolUiResourceUri(tool);
  const result = await client.callTool({ name: tool.name, arguments: {} });
  const { contents } = await client.readResource({ uri });
  const [{ text: html, mimeType }] = contents;
  const page = await browser.newPage();
  const bridge = new apps.AppBridge(client, host, { serverTools: {}, serverResources: {} });
  await render(page, html, bridge);
  await bridge.sendToolInput({ arguments: {} });
  await bridge.sendToolResult(result);
  return { page, seen: { tool: tool.name, uri, mimeType, html, result: result.content[0].text } };
}

/** Presses the first button of the app, which calls a tool, until the app shows something else. */
async function press({ page, seen }) {
  const app = page.frameLocator("iframe");
  const text = () => app.locator("body").innerText();
  const before = await text();
  await app.getByRole("button").first().click();
  while ((await text()) === before) await page.waitForTimeout(10);
  return { ...seen, before, shows: await text() };
}

/** Lists the tools until those of slow servers are among them. */
async function list(client, awaited) {
  for (;;) {
    const { tools } = await client.listTools(undefined, { cacheMode: "refresh" });
    const names = tools.map(({ name }) => name);
    if (awaited.every((name) => names.includes(name))) return tools;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function play(plan, browser) {
  const client = await connect(plan);
  const tools = await list(client, plan.awaits);
  const model = tools.filter((tool) => !apps.isToolVisibilityAppOnly(tool));
  const seen = [];
  for (const name of plan.opens) {
    const app = await open(client, browser, tools.find((tool) => tool.name === name));
    seen.push(await press(app));
  }
  await client.close();
  return { model: model.map(({ name }) => name), apps: seen };
}

const browser = await launch();
const seen = [];
for (const plan of plans) seen.push(await play(plan, browser));
console.log(JSON.stringify(seen));
await browser.close();
process.exit();
