// npm `oidc-provider`, where everybody logs in under the name that they like.
//
// usage: node oidc-provider.mjs PORT ISSUER STATE LIFETIME [CLIENTS]
//
// Grants, tokens, clients and keys are kept in the file STATE. Access tokens expire after LIFETIME
// seconds. CLIENTS are registered clients, as JSON.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [port, issuer, file, lifetime, clients = "[]"] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(process.env.NODE_MODULES, path)).href);
const { Provider } = await load("oidc-provider/lib/index.js");
const { exportJWK, generateKeyPair } = await load("jose/dist/webapi/index.js");

async function created() {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: "1", use: "sig", alg: "RS256" };
  return { keys: [key], entries: {} };
}

const state = existsSync(file) ? JSON.parse(readFileSync(file)) : await created();
const save = () => writeFileSync(file, JSON.stringify(state));
save();

// What is in memory by default.
class Kept {
  constructor(kind) {
    this.kind = kind;
  }

  key(id) {
    return `${this.kind}:${id}`;
  }

  async upsert(id, payload) {
    state.entries[this.key(id)] = payload;
    save();
  }

  async find(id) {
    return state.entries[this.key(id)];
  }

  async findByUid(uid) {
    return Object.values(state.entries).find((payload) => payload.uid === uid);
  }

  async consume(id) {
    state.entries[this.key(id)].consumed = Math.floor(Date.now() / 1000);
    save();
  }

  async destroy(id) {
    delete state.entries[this.key(id)];
    save();
  }

  async revokeByGrantId(grantId) {
    for (const [key, payload] of Object.entries(state.entries)) {
      if (payload.grantId === grantId) delete state.entries[key];
    }
    save();
  }
}

const AccessToken = Number(lifetime);
const provider = new Provider(issuer, {
  adapter: Kept,
  clients: JSON.parse(clients),
  cookies: { keys: ["cookies"] },
  features: {
    registration: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, audience) => ({
        audience,
        scope: "mcp write",
        accessTokenFormat: "jwt",
        accessTokenTTL: AccessToken,
      }),
    },
  },
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  jwks: { keys: state.keys },
  scopes: ["openid", "offline_access", "mcp", "write"],
  ttl: { AccessToken },
});
provider.listen(Number(port), "127.0.0.1");
