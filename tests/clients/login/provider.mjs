// An identity provider: `oidc-provider`, where everybody may log in under the name that they like.
//
// usage: node provider.mjs
//
// It writes its issuer, and then does what it is told, line by line, and repeats the line when it is
// done: `callback URL` knows another address of the client `gateway`, `rotate` signs with a new key
// from now on and keeps the old one, `down` closes the doors, `up` opens them again. The client
// `desktop` is for anybody; it may exchange its identity token for an identity assertion (ID-JAG).

import { createServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { NODE_MODULES, SECRET } = process.env;
const load = (path) => import(pathToFileURL(join(NODE_MODULES, path)).href);
const { Provider } = await load("oidc-provider/lib/index.js");
const { SignJWT, exportJWK, generateKeyPair, importJWK } = await load("jose/dist/webapi/index.js");

const GRANT = "urn:ietf:params:oauth:grant-type:token-exchange";
const TYPE = "urn:ietf:params:oauth:token-type:id-jag";
const GROUPS = { ada: ["eng", "all"], bob: ["all"], eve: ["staff", "sre"] };

const keys = [];
const callbacks = ["http://127.0.0.1:1/callback"];
let answer;
const server = createServer((request, response) => answer(request, response));
const open = (port) => new Promise((opened) => server.listen(port, "127.0.0.1", opened));
await open(0);
const { port } = server.address();
const issuer = `http://127.0.0.1:${port}`;

const about = (sub) => ({
  sub,
  name: sub,
  preferred_username: sub,
  email: `${sub}@example.com`,
  email_verified: true,
  groups: GROUPS[sub],
});

function rebuild() {
  const provider = new Provider(issuer, {
    clients: [
      { client_id: "gateway", client_secret: SECRET, redirect_uris: callbacks },
      {
        client_id: "desktop",
        token_endpoint_auth_method: "none",
        application_type: "native",
        redirect_uris: ["http://127.0.0.1/callback"],
        grant_types: ["authorization_code", GRANT],
      },
    ],
    claims: { profile: ["name", "preferred_username"], email: ["email", "email_verified"], groups: ["groups"] },
    cookies: { keys: ["cookies"] },
    extraTokenClaims: (_, token) => ({ groups: GROUPS[token.accountId] }),
    features: {
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, audience) => ({ audience, scope: "mcp", accessTokenFormat: "jwt" }),
      },
    },
    findAccount: (_, accountId) => ({ accountId, claims: () => about(accountId) }),
    jwks: { keys },
  });
  provider.registerGrantType(
    GRANT,
    async (ctx) => {
      const { audience, resource, subject_token } = ctx.oidc.params;
      const { payload } = await provider.IdToken.validate(subject_token, ctx.oidc.client);
      const assertion = new SignJWT({ client_id: ctx.oidc.client.clientId, resource, scope: "mcp" })
        .setProtectedHeader({ alg: "RS256", typ: "oauth-id-jag+jwt", kid: keys[0].kid })
        .setIssuer(issuer)
        .setSubject(payload.sub)
        .setAudience(audience)
        .setJti(crypto.randomUUID())
        .setIssuedAt()
        .setExpirationTime("2m");
      const access_token = await assertion.sign(await importJWK(keys[0], "RS256"));
      ctx.body = { access_token, issued_token_type: TYPE, token_type: "N_A", expires_in: 120 };
    },
    ["audience", "resource", "subject_token", "subject_token_type", "requested_token_type"],
  );
  answer = provider.callback();
}

async function rotate() {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  keys.unshift({ ...(await exportJWK(privateKey)), kid: crypto.randomUUID(), use: "sig", alg: "RS256" });
  rebuild();
}

const does = {
  callback: (url) => rebuild(callbacks.push(url)),
  down: () => new Promise((closed) => (server.close(closed), server.closeAllConnections())),
  rotate,
  up: () => open(port),
};
await rotate();
console.log(issuer);
for await (const line of createInterface({ input: process.stdin })) {
  const [word, argument] = line.split(" ");
  await does[word](argument);
  console.log(line);
}
