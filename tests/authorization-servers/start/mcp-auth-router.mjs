// The TypeScript SDK: `mcpAuthRouter` and `requireBearerAuth` in front of an MCP server.
//
// usage: node mcp-auth-router.mjs PORT URL LIFETIME
//
// The SDK has the endpoints; logins and tokens are the task of its user, and kept in memory here.

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [port, url, lifetime] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(process.env.NODE_MODULES, path)).href);
const sdk = (path) => load(`@modelcontextprotocol/sdk/dist/esm/server/${path}.js`);
const { default: express } = await load("express/index.js");
const { mcpAuthRouter, getOAuthProtectedResourceMetadataUrl } = await sdk("auth/router");
const { requireBearerAuth } = await sdk("auth/middleware/bearerAuth");
const { InvalidGrantError, InvalidTokenError } = await sdk("auth/errors");
const { McpServer } = await sdk("mcp");
const { StreamableHTTPServerTransport } = await sdk("streamableHttp");

const clients = new Map();
const logins = new Map();
const codes = new Map();
const access = new Map();
const refresh = new Map();

function taken(map, key, client) {
  const found = map.get(key);
  if (found?.client !== client.client_id) throw new InvalidGrantError("unknown or expired");
  map.delete(key);
  return found;
}

function issued(grant) {
  const tokens = { access_token: randomUUID(), refresh_token: randomUUID() };
  access.set(tokens.access_token, { ...grant, expiresAt: Date.now() / 1000 + Number(lifetime) });
  refresh.set(tokens.refresh_token, grant);
  const scope = grant.scopes.join(" ");
  return { ...tokens, token_type: "bearer", expires_in: Number(lifetime), scope };
}

const provider = {
  clientsStore: {
    getClient: (id) => clients.get(id),
    registerClient: (client) => (clients.set(client.client_id, client), client),
  },
  async authorize(client, params, response) {
    const login = randomUUID();
    logins.set(login, { client: client.client_id, params });
    response.redirect(`/login?login=${login}`);
  },
  challengeForAuthorizationCode: async (_, code) => codes.get(code)?.challenge,
  exchangeAuthorizationCode: async (client, code) => issued(taken(codes, code, client)),
  exchangeRefreshToken: async (client, token) => issued(taken(refresh, token, client)),
  async verifyAccessToken(token) {
    const found = access.get(token);
    if (!found) throw new InvalidTokenError("unknown");
    const { client, scopes, expiresAt, person } = found;
    return { token, clientId: client, scopes, expiresAt, extra: { person } };
  },
  async revokeToken(_, { token }) {
    const grant = refresh.get(token);
    refresh.delete(token);
    for (const [key, value] of access) if (value.id === grant?.id) access.delete(key);
  },
};

function server(auth) {
  const server = new McpServer({ name: "notes", version: "1.0.0" });
  const said = (text) => ({ content: [{ type: "text", text }] });
  server.registerTool("whoami", {}, () => said(auth.extra.person));
  server.registerTool("write", {}, () => said(`written by ${auth.extra.person}`));
  return server;
}

const mcp = new URL("/mcp", url);
const bearer = (...requiredScopes) =>
  requireBearerAuth({
    verifier: provider,
    requiredScopes,
    resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(mcp),
  });
const [plain, writing] = [bearer("mcp"), bearer("mcp", "write")];

const app = express();
app.use(mcpAuthRouter({ provider, issuerUrl: new URL(url), resourceServerUrl: mcp, scopesSupported: ["mcp"] }));
app.get("/login", (request, response) => {
  const login = encodeURIComponent(request.query.login);
  response.send(`<form method="post" action="/login?login=${login}"><input name="name"><button>Log in</button></form>`);
});
app.post("/login", express.urlencoded({ extended: false }), (request, response) => {
  const { client, params } = logins.get(request.query.login);
  const code = randomUUID();
  const scopes = params.scopes?.length ? params.scopes : ["mcp"];
  codes.set(code, { id: code, client, scopes, person: request.body.name, challenge: params.codeChallenge });
  const back = new URL(params.redirectUri);
  back.searchParams.set("code", code);
  if (params.state !== undefined) back.searchParams.set("state", params.state);
  response.redirect(back.href);
});
app.post("/mcp", express.json(), (request, response, next) => {
  const writes = request.body.params?.name === "write";
  (writes ? writing : plain)(request, response, next);
}, async (request, response) => {
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
  await server(request.auth).connect(transport);
  await transport.handleRequest(request, response, request.body);
});
app.all("/mcp", plain, (_, response) => response.sendStatus(405));
app.listen(Number(port), "127.0.0.1");
