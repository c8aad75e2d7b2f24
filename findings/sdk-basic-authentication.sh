#!/usr/bin/env bash
# npm @modelcontextprotocol/sdk 1.32.2, mcpAuthRouter with the demo provider of its own examples.
#
# Seen: a client may register for client_secret_basic, and the response confirms it with a secret. Then
# Basic authentication (RFC 6749, section 2.3.1: "MUST support") is never read:
#   - POST /token, Authorization: Basic            -> 400 invalid_request, client_id is required
#   - the same, client_id in the form as well      -> 400 invalid_client, "Client secret is required"
#   - client_id and client_secret in the form      -> authenticated (the invalid code is a 500)
# Its metadata lists client_secret_post and none only, so a client has to follow the metadata and not the
# response to its registration.
#
# Usage: findings/sdk-basic-authentication.sh    (needs node and npm; exit 0 while it is as stated)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --no-audit --no-fund --loglevel=error \
  @modelcontextprotocol/sdk@1.32.2 express@5 >/dev/null
cat >"$folder/run.mjs" <<'NODE'
import express from "express";
import { mcpAuthRouter } from "@modelcontextprotocol/sdk/server/auth/router.js";
import { DemoInMemoryAuthProvider } from "@modelcontextprotocol/sdk/examples/server/demoInMemoryOAuthProvider.js";

const app = express();
const server = app.listen(0, "127.0.0.1");
await new Promise((listening) => server.once("listening", listening));
const base = `http://127.0.0.1:${server.address().port}`;
app.use(mcpAuthRouter({ provider: new DemoInMemoryAuthProvider(), issuerUrl: new URL(base) }));

const registered = await fetch(`${base}/register`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    redirect_uris: ["http://127.0.0.1:1/callback"],
    token_endpoint_auth_method: "client_secret_basic",
  }),
});
const { client_id, client_secret, token_endpoint_auth_method: method } = await registered.json();
console.log(`registered for ${method}, with a secret: ${Boolean(client_secret)}`);

async function token(form, headers = {}) {
  const grant = { grant_type: "authorization_code", code: "c", code_verifier: "v".repeat(43) };
  const body = new URLSearchParams({ ...grant, ...form });
  const response = await fetch(`${base}/token`, { method: "POST", headers, body });
  const { error } = await response.json();
  return `${response.status} ${error}`;
}

const authorization = `Basic ${btoa(`${client_id}:${client_secret}`)}`;
const seen = {
  basic: await token({}, { authorization }),
  "basic with client_id": await token({ client_id }, { authorization }),
  form: await token({ client_id, client_secret }),
};
const expected = {
  basic: "400 invalid_request",
  "basic with client_id": "400 invalid_client",
  form: "500 server_error",
};
for (const [name, outcome] of Object.entries(seen)) console.log(`${name}: ${outcome}`);
server.close();
const same = JSON.stringify(seen) === JSON.stringify(expected);
process.exit(same && method === "client_secret_basic" && client_secret ? 0 : 1);
NODE
node "$folder/run.mjs"
