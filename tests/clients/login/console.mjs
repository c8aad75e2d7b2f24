// Looks at the pages of the console as an administrator, with scripts and without, and makes a gateway.
//
// usage: node console.mjs ORIGIN [FOLDER]
//
// ORIGIN is the URL of a gateway that accepts the token CONSOLE_TOKEN of the environment. Fails with
// what is wrong; otherwise there is a line for each page. Pictures are left in FOLDER
// if it is given; all of them with PICTURES=all.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { launch } from "./chromium.mjs";

const { NODE_MODULES, CONSOLE_TOKEN, PICTURES } = process.env;
const [origin, pictures] = process.argv.slice(2);
const axe = readFileSync(join(NODE_MODULES, "axe-core/axe.min.js"), "utf8");

const SIZES = [1280, 960, 390, 320].map((width) => ({ width, height: 900 }));
const SCHEMES = ["light", "dark"];
const PAGES = {
  overview: "/console",
  connect: "/console/connect",
  client: "/console/connect/support?client=claude-code",
  clients: "/console/connect/support",
  approvals: "/console/approvals?status=all",
  servers: "/console/servers",
  server: "/console/servers/notes",
  "server-edit": "/console/servers/notes/edit",
  "server-new": "/console/servers/new",
  gateways: "/console/gateways",
  gateway: "/console/gateways/support",
  "gateway-edit": "/console/gateways/support/edit",
  registry: "/console/registry",
  import: "/console/registry/import",
  requests: "/console/requests",
  connections: "/console/connections",
  "connection-new": "/console/connections/new",
  people: "/console/people",
  "person-new": "/console/people/new",
  tokens: "/console/tokens",
  "token-new": "/console/tokens/new",
  "oauth-clients": "/console/clients",
  "client-new": "/console/clients/new",
  policy: "/console/policy",
  rule: "/console/policy/new",
  explain: "/console/policy/explain?tool=notes/echo",
  recent: "/console/policy/recent",
  pins: "/console/pins",
  audit: "/console/audit",
  usage: "/console/usage",
  nothing: "/console/no-such-page",
};

const chromium = await launch();
const context = await chromium.newContext();
const page = await context.newPage();
page.setDefaultTimeout(30_000);
const devtools = await context.newCDPSession(page);
const runScripts = (may) => devtools.send("Emulation.setScriptExecutionDisabled", { value: !may });
/** What is wrong, by the view; all of it is told at the end. */
const complaints = [];
page.on("console", (message) => {
  // The status of pages that do not exist, and advice about the fields of passwords.
  const isExpected = /the server responded with a status of 4|^\[DOM\]/.test(message.text());
  if (!isExpected) complaints.push(message.text());
});

/** Looks at the page in all views. */
async function look(name) {
  let rules = 0;
  for (const scheme of SCHEMES) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const size of SIZES) {
      await page.setViewportSize(size);
      const view = `${name} ${scheme} ${size.width}`;
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      if (width > size.width) complaints.push(`${view} is ${width} wide`);
      await page.evaluate(axe);
      const found = await page.evaluate(() => globalThis.axe.run());
      const wrong = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`);
      complaints.push(...wrong.map((text) => `${view}: ${text}`));
      rules += found.passes.length;
      const isShown = PICTURES === "all" && [1280, 390].includes(size.width);
      if (pictures && isShown) {
        await page.screenshot({ path: join(pictures, `${name}-${scheme}-${size.width}.png`), fullPage: true });
      }
    }
  }
  console.log(`page ${name}: ${SIZES.length * SCHEMES.length} views, ${rules} rules of axe hold`);
}

const heading = (name) => page.getByRole("heading", { level: 1, name }).waitFor();
const button = (name) => page.getByRole("button", { name, exact: true });

/** Makes a gateway with one tool of the server `notes`, without a script. */
async function makeGateway() {
  await page.goto(`${origin}/console/gateways`);
  await page.getByRole("link", { name: "New gateway" }).click();
  await page.getByLabel("Name", { exact: false }).first().fill("Not Valid");
  await button("Save gateway").click();
  await page.getByText("Nothing has been changed").waitFor();
  await page.getByLabel("Name", { exact: false }).first().fill("support");
  await page.getByLabel("Title").fill("Support");
  await page.getByLabel("These:").check();
  await page.getByLabel("notes", { exact: true }).check();
  await page.getByLabel("Tools of notes").fill("echo");
  await button("Save gateway").click();
  await heading(/^Support/);
}

/** Adds a server of the store. */
async function addServer() {
  await page.goto(`${origin}/console/servers/new`);
  await page.getByLabel("Name", { exact: false }).first().fill("wiki");
  await page.getByLabel("URL").fill("wiki");
  await button("Add server").click();
  await page.locator("#f-url-e").waitFor();
  await page.getByLabel("URL").fill("https://wiki.example.com/mcp");
  await page.getByLabel("Bearer token").fill("hunter2");
  await button("Add server").click();
  await heading(/^wiki/);
  assert(!(await page.content()).includes("hunter2"));
}

try {
  await runScripts(false);
  await page.goto(`${origin}/`);
  await heading("Sign in to the console");
  await page.getByLabel("Token").fill("wrong");
  await button("Sign in with a token").click();
  await page.getByText("The token is not valid.").waitFor();
  await page.getByLabel("Token").fill(CONSOLE_TOKEN);
  await button("Sign in with a token").click();
  await heading("Overview");
  await addServer();
  await makeGateway();
  await runScripts(true);
  for (const [name, path] of Object.entries(PAGES)) {
    const answer = await page.goto(origin + path);
    assert((await answer.body()).length < 150 * 1024, name);
    await look(name);
  }
  if (pictures) {
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.goto(`${origin}/console`);
    await page.screenshot({ path: join(pictures, "console.png") });
  }
  await page.goto(`${origin}/console/servers/wiki`);
  await page.getByText("Delete…").click();
  await button("Delete").click();
  await page.getByText("Deleted.").waitFor();
  await button("Sign out").click();
  await heading("Sign in to the console");
  await look("sign-in");
  assert.deepEqual(complaints, []);
} finally {
  await chromium.close();
}
