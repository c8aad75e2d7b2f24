// Logs in to an MCP server with the TypeScript SDK, and calls a tool.
//
// usage: node sdk.mjs MODULES URL PERSON...
//
// MODULES is the folder with the npm packages, the rest is that of sdk.py.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const [modules, url, program, ...args] = process.argv.slice(2);
const sdk = join(modules, "@modelcontextprotocol/client/dist/index.mjs");
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await import(
  pathToFileURL(sdk).href
);

/** What a client keeps, and how it sends its person to a page. */
class Provider {
  redirectUrl = "http://127.0.0.1:1/callback";
  clientMetadata = {
    client_name: "TypeScript SDK",
    redirect_uris: [this.redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };
  state = () => (this.sentState = crypto.randomUUID());
  clientInformation = () => this.client;
  saveClientInformation = (client) => (this.client = client);
  tokens = () => this.kept;
  saveTokens = (tokens) => (this.kept = tokens);
  codeVerifier = () => this.verifier;
  saveCodeVerifier = (verifier) => (this.verifier = verifier);

  async redirectToAuthorization(page) {
    const { stdout } = await promisify(execFile)(program, [...args, page.href]);
    this.parameters = new URL(stdout.trim()).searchParams;
    if (this.parameters.get("state") !== this.sentState) throw new Error("another state");
  }
}

const authProvider = new Provider();
const connect = async () => {
  const client = new Client({ name: "TypeScript SDK", version: "1" }, { versionNegotiation: { mode: "auto" } });
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  await client.connect(transport).catch(async (error) => {
    if (error instanceof UnauthorizedError) await transport.finishAuth(authProvider.parameters);
    throw error;
  });
  return client;
};
const client = await connect().catch((error) => {
  if (error instanceof UnauthorizedError) return connect();
  throw error;
});

const call = async () => {
  const result = await client.callTool({ name: "demo__echo", arguments: { text: "hello" } });
  const seen = { text: result.content[0].text, token: authProvider.kept.access_token };
  console.log(JSON.stringify(seen));
};
await call();
for await (const _ of createInterface({ input: process.stdin })) await call();
await client.close();
