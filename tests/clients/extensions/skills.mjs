// A host of skills: lists those of servers, and reads and verifies all of their files.
//
// usage: node skills.mjs MODULES PLANS
//
// MODULES is the folder with the npm packages. PLANS is a JSON array: to connect to `url` in the era
// `era`, and to wait until there are `awaits` skills. Prints what the host sees of each plan, as one
// line of JSON: of each skill its address, its description and its files as text.

import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, plans] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(modules, path)).href);
const sdk = await load("@modelcontextprotocol/client/dist/index.mjs");
const { SkillsClient } = await load("@modelcontextprotocol/client/dist/ext/skills/index.mjs");

async function connect({ url, era }) {
  const mode = era === "modern" ? { pin: "2026-07-28" } : "legacy";
  const options = { capabilities: { extensions: { "io.modelcontextprotocol/skills": {} } } };
  options.versionNegotiation = { mode };
  const client = new sdk.Client({ name: "host of skills", version: "1" }, options);
  const requestInit = { headers: { authorization: "Bearer alice" } };
  await client.connect(new sdk.StreamableHTTPClientTransport(new URL(url), { requestInit }));
  return client;
}

/** Waits until `skills` are those of slow servers too. */
async function list(skills, awaited) {
  for (;;) {
    const listed = await skills.list().catch(() => ({ skills: [] }));
    if (listed.skills.length >= awaited) return listed.skills;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Reads every file of a skill; the client rejects those whose digest or size is another one. */
async function read(skills, { uri, frontmatter, resources }) {
  const { skill } = await skills.get(uri);
  const files = {};
  for (const entry of skill.resources) {
    const { bytes, verified } = await skills.read(skill, entry.uri);
    files[entry.uri] = { verified, text: Buffer.from(bytes).toString("latin1") };
  }
  const isSame = JSON.stringify(resources) === JSON.stringify(skill.resources);
  // Of several servers behind a gateway, some have directories.
  const root = uri.replace(/\/[^/]*$/, "");
  const children = await skills.readDirectory(root).catch(() => undefined);
  const directory = children?.resources.map(({ uri }) => uri).sort();
  return { uri, description: frontmatter.description, isSame, files, directory };
}

const seen = [];
for (const plan of JSON.parse(plans)) {
  const client = await connect(plan);
  const skills = new SkillsClient(client);
  const all = [];
  for (const skill of await list(skills, plan.awaits)) all.push(await read(skills, skill));
  seen.push(all);
  await client.close();
}
console.log(JSON.stringify(seen));
process.exit();
