// Logs in at an identity provider, not at a gateway, and gets what a gateway may accept from there.
//
// usage: node desktop.mjs ISSUER GATEWAY RESOURCE
//
// Prints the access token for RESOURCE, and an identity assertion for the authorization server
// GATEWAY, as JSON.

import { createHash, randomBytes } from "node:crypto";

import { launch, logInAtProvider } from "./chromium.mjs";

const [issuer, gateway, resource] = process.argv.slice(2);
const redirect_uri = "http://127.0.0.1:1/callback";
const code_verifier = randomBytes(32).toString("base64url");
const known = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();

async function ask(form) {
  const body = new URLSearchParams({ client_id: "desktop", ...form });
  const response = await fetch(known.token_endpoint, { method: "POST", body });
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

const page = new URL(known.authorization_endpoint);
page.search = new URLSearchParams({
  client_id: "desktop",
  code_challenge: createHash("sha256").update(code_verifier).digest("base64url"),
  code_challenge_method: "S256",
  redirect_uri,
  resource,
  response_type: "code",
  scope: "openid mcp",
});
const chromium = await launch();
const tab = await chromium.newPage();
const back = tab.waitForRequest((request) => request.url().startsWith(redirect_uri));
await tab.goto(page.href);
await logInAtProvider(tab);
const code = new URL((await back).url()).searchParams.get("code");
await chromium.close();

const tokens = await ask({ grant_type: "authorization_code", code, code_verifier, redirect_uri });
const exchanged = await ask({
  grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
  requested_token_type: "urn:ietf:params:oauth:token-type:id-jag",
  subject_token: tokens.id_token,
  subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
  audience: gateway,
  resource,
});
console.log(JSON.stringify({ access: tokens.access_token, assertion: exchanged.access_token }));
