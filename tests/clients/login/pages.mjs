// Looks at every page that people see, in a browser that runs no scripts.
//
// usage: node pages.mjs ORIGIN LISTENER [FOLDER]
//
// ORIGIN is the public URL of a gateway, and LISTENER is where it listens; TLS ends here, with the
// certificate and key in the environment. Fails with the first thing that is wrong; otherwise there
// is a line for each page. Pictures are left in FOLDER if it is given.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { join } from "node:path";

import { launch } from "./chromium.mjs";

const { NODE_MODULES, PERSON_NAME, PERSON_PASSWORD, TLS_CERTIFICATE, TLS_KEY } = process.env;
const [origin, listener, pictures] = process.argv.slice(2);
const axe = readFileSync(join(NODE_MODULES, "axe-core/axe.min.js"), "utf8");

const DESKTOP = { width: 960, height: 720 };
const PHONE = { width: 390, height: 844 };
const SMALL = { width: 320, height: 568 };
const SCHEMES = ["light", "dark"];
/** Which views of which pages the documentation shows. */
const SHOWN = {
  "login light": ["login", DESKTOP],
  "login dark": ["login-dark", PHONE],
  "consent light": ["consent", DESKTOP],
  "consent dark": ["consent-dark", PHONE],
  "account light": ["account", DESKTOP],
  "error dark": ["error-dark", PHONE],
};

/** Listens at a port of its own. */
const listen = async (server) => {
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return `127.0.0.1:${server.address().port}`;
};
const client = createServer((_, answer) => answer.writeHead(204).end());
const callback = `http://${await listen(client)}/callback`;
const server = createTlsServer({ cert: TLS_CERTIFICATE, key: TLS_KEY }, (incoming, outgoing) => {
  const { method, url, headers } = incoming;
  const passed = request(new URL(url, listener), { method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(outgoing);
  });
  incoming.pipe(passed);
});
const chromium = await launch(`--host-resolver-rules=MAP ${new URL(origin).host}:443 ${await listen(server)}`);
const context = await chromium.newContext({ ignoreHTTPSErrors: true });
const page = await context.newPage();
page.setDefaultTimeout(30_000);
const devtools = await context.newCDPSession(page);
const runScripts = (may) => devtools.send("Emulation.setScriptExecutionDisabled", { value: !may });
await runScripts(false);
const complaints = [];
page.on("console", (message) => complaints.push(`${message.location().url}: ${message.text()}`));
/** What the browser says of every page with such a status. */
const isStatus = (complaint) => /the server responded with a status of 40[01]/.test(complaint);

/** What the keyboard reaches, in order; each has to show that it has the focus. */
async function tabs() {
  const reached = [];
  await page.evaluate(() => document.activeElement.blur());
  for (;;) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const { activeElement: element } = document;
      if (element === document.body) return null;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const name = element.ariaLabel ?? element.labels?.[0]?.innerText ?? element.innerText;
      return { name, ring: outlineStyle === "solid" && parseFloat(outlineWidth) >= 2 };
    });
    if (!focus || reached.includes(focus.name)) return reached;
    assert(focus.ring, `nothing shows that ${focus.name} has the focus`);
    reached.push(focus.name);
  }
}

/** Leaves a picture of what is on the page. */
async function show(name) {
  const { x, y, width, height } = await page.locator("main").boundingBox();
  const edge = Math.min(x, 32);
  const clip = { x: x - edge, y: y - edge, width: width + 2 * edge, height: height + 2 * edge };
  await page.screenshot({ path: join(pictures, `${name}.png`), clip, fullPage: true });
}

/** Looks at the page `name`, where the keyboard reaches `order`. */
async function look(name, order) {
  const active = await page.evaluate(() => {
    const attributes = [...document.querySelectorAll("*")].flatMap((element) => element.getAttributeNames());
    const inline = attributes.filter((attribute) => attribute === "style" || attribute.startsWith("on"));
    return [...inline, ...[...document.scripts].map((script) => script.outerHTML)];
  });
  assert.deepEqual(active, [], name);
  let rules = 0;
  for (const scheme of SCHEMES) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const size of [DESKTOP, PHONE, SMALL]) {
      await page.setViewportSize(size);
      const view = `${name} ${scheme} ${size.width}`;
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert(width <= size.width, `${view} is ${width} wide`);
      await runScripts(true); // Those of axe, which waits by timers.
      await page.evaluate(axe);
      const found = await page.evaluate(() => globalThis.axe.run());
      await runScripts(false);
      const wrong = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`);
      assert.deepEqual(wrong, [], view);
      const unsure = found.incomplete.map(({ id }) => id);
      assert.deepEqual(unsure, [], view);
      rules += found.passes.length;
      const shown = pictures && SHOWN[`${name} ${scheme}`];
      if (shown?.[1] === size) await show(shown[0]);
    }
  }
  assert.deepEqual(await tabs(), order, name);
  console.log(`page ${name}: 6 views, ${rules} rules of axe hold, the keyboard reaches ${order.join(", ") || "nothing"}`);
}

const button = (name) => page.getByRole("button", { name });
const heading = (name) => page.getByRole("heading", { level: 1, name }).waitFor();

async function logIn(password) {
  await page.getByLabel("User name").fill(PERSON_NAME);
  await page.getByLabel("Password").fill(password);
  await button("Log in").click();
}

/** Where a client sends its person that wants the answer at `redirect_uri`, and has registered `known`. */
async function asking(redirect_uri, known = redirect_uri) {
  const metadata = { client_name: "Code Editor", redirect_uris: [known], token_endpoint_auth_method: "none" };
  const registered = await fetch(`${listener}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(metadata),
  });
  const { client_id } = await registered.json();
  const url = new URL("/authorize", origin);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id,
    redirect_uri,
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    code_challenge_method: "S256",
  });
  return url.href;
}

/** Lets the client in that wants the answer at `callback`, and sees it get one. */
async function allow(callback) {
  const away = page.waitForRequest((sent) => sent.url().startsWith(callback));
  await button("Allow").click();
  assert(new URL((await away).url()).searchParams.has("code"), callback);
}

try {
  await page.goto(await asking("https://example.org/callback", callback));
  await look("error", []);
  await page.goto(await asking(callback, "http://127.0.0.1/callback"));
  const providers = ["Continue with GitHub", "Continue with Example Accounts"];
  await look("login", [...providers, "User name", "Password", "Log in"]);
  await logIn("wrong");
  await page.getByRole("alert").waitFor();
  await look("refused", [...providers, "User name", "Password", "Log in"]);
  await logIn(PERSON_PASSWORD);
  await heading(/^Allow Code Editor/);
  await look("consent", ["Deny", "Allow", "your account"]);
  await allow(callback);
  await page.goto(`${origin}/account`);
  await look("account", ["Your connected accounts", "Take back the access of Code Editor", "Log out"]);
  await page.getByRole("link", { name: "Your connected accounts" }).click();
  await look("connections", ["Connect notes", "Organization", "Your account"]);
  await page.goto(`${origin}/connect/notes?for=damaged`);
  await look("link", ["Your connected accounts", "Your account"]);
  await page.getByRole("link", { name: "Your account" }).click();
  await button("Take back the access of Code Editor").click();
  await page.getByText("None.").waitFor();
  await button("Log out").click();
  await heading("You are logged out");
  await look("message", ["Log in again"]);
  await page.goto(`${origin}/api/auth/account`);
  await logIn(PERSON_PASSWORD);
  await heading(/^Your account/);
  // Browsers apply the policy of the page to where the answer sends them.
  for (const other of [callback.replace("127.0.0.1", "localhost"), "cursor://anysphere.cursor-mcp/oauth/callback"]) {
    await page.goto(await asking(other));
    await allow(other);
  }
  assert.deepEqual(complaints.filter((complaint) => !isStatus(complaint)), []);
} finally {
  await chromium.close();
  for (const listening of [client, server]) listening.close();
}
