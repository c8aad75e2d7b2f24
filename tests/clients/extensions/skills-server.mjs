// Serves the skills of a folder with the SDK, over standard input and output, in one era.
//
// usage: node skills-server.mjs MODULES legacy|modern FOLDER
//
// MODULES is the folder with the npm packages.

import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, era, folder] = process.argv.slice(2);
const server = join(modules, "@modelcontextprotocol/server/dist");
const load = (path) => import(pathToFileURL(join(server, path)).href);
const { McpServer } = await load("index.mjs");
const { StdioServerTransport, serveStdio } = await load("stdio.mjs");
const { loadSkills } = await load("ext/skills/node.mjs");

const skills = await loadSkills(folder);
const create = () => {
  const server = new McpServer({ name: "skills", version: "1" });
  skills.attach(server);
  return server;
};
if (era === "modern") serveStdio(create, { legacy: "reject" });
else await create().connect(new StdioServerTransport());
