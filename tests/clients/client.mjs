// Plays scripts against an MCP server, and prints what a client sees, as one line of JSON.
//
// usage: node client.mjs MODULES URL TOKEN legacy|modern SCRIPTS
//
// MODULES is the folder with the npm packages, the rest is that of client.py.

import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, url, token, era, scripts] = process.argv.slice(2);
const sdk = join(modules, "@modelcontextprotocol/client/dist/index.mjs");
const {
  Client,
  LOG_LEVEL_META_KEY,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  StreamableHTTPClientTransport,
} = await import(pathToFileURL(sdk).href);

const modern = era === "modern";
// Nothing that a script waits for takes so long, unless it never comes.
const timeout = 15_000;

const CAPABILITIES = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
const FORMATS = { date: "2026-01-02", email: "me@example.com", uri: "https://example.com/" };
const HEARD = [
  "notifications/message",
  "notifications/progress",
  "notifications/prompts/list_changed",
  "notifications/resources/list_changed",
  "notifications/resources/updated",
  "notifications/tools/list_changed",
];

/** Something that is waited for. */
function event() {
  let set;
  const wait = new Promise((resolve) => (set = resolve));
  return { set, wait };
}

/** What a person enters into a form of a schema. */
function filled(schema) {
  const consts = (options) => (options ?? []).map((option) => option.const);
  const entry = (name, field) => {
    if ("default" in field) return field.default;
    const options = field.enum ?? consts(field.oneOf);
    if (options.length > 0) return options[0];
    if (field.type === "array") return [(field.items.enum ?? consts(field.items.anyOf))[0]];
    const known = { boolean: true, integer: 7, number: 1.5 };
    return known[field.type] ?? FORMATS[field.format] ?? `my ${name}`;
  };
  const entries = Object.entries(schema.properties);
  return Object.fromEntries(entries.map(([name, field]) => [name, entry(name, field)]));
}

/** What the client of a step sees, and what it says to it. */
class Transcript {
  constructor(hears) {
    this.hears = hears;
    this.begin({});
    this.more = event();
  }

  begin(step) {
    Object.assign(this, { step, notifications: [], questions: [] });
  }

  end(outcome) {
    // Several questions of one round may be asked in any order.
    const keyed = this.questions.map((question) => [JSON.stringify(question), question]);
    keyed.sort(([one], [other]) => (one < other ? -1 : 1));
    const seen = { ...outcome };
    if (this.notifications.length > 0) seen.notifications = this.notifications;
    if (keyed.length > 0) seen.questions = keyed.map(([, question]) => question);
    return seen;
  }

  notified(method, given) {
    if (this.hears && !this.hears.includes(method)) return;
    const { _meta, progressToken, ...params } = given ?? {};
    this.notifications.push({ method, params });
    this.more.set();
  }

  asked(request) {
    const { _meta, requestState, ...params } = request.params ?? {};
    const heard = this.hears?.includes("questions") ?? true;
    if (heard) this.questions.push({ method: request.method, params });
    return params;
  }

  attach(client, declared) {
    const handlers = {
      elicitation: ["elicitation/create", (request) => this.elicit(this.asked(request))],
      sampling: ["sampling/createMessage", (request) => (this.asked(request), SAMPLE)],
      roots: ["roots/list", (request) => (this.asked(request), ROOTS)],
    };
    for (const name of declared) client.setRequestHandler(...handlers[name]);
    for (const method of HEARD.filter((method) => method !== "notifications/progress")) {
      client.setNotificationHandler(method, ({ params }) => this.notified(method, params));
    }
  }

  elicit(params) {
    const action = this.step.action ?? "accept";
    const fills = action === "accept" && params.requestedSchema;
    return fills ? { action, content: filled(params.requestedSchema) } : { action };
  }
}

const SAMPLE = {
  role: "assistant",
  content: { type: "text", text: "what the model says" },
  model: "m",
  stopReason: "endTurn",
};
const ROOTS = { roots: [{ uri: "file:///work", name: "work" }] };

/** Plays the steps of one script. */
class Player {
  constructor(client, transcript, attended) {
    Object.assign(this, { client, transcript, attended, logLevel: undefined, streams: [] });
  }

  async play(step) {
    this.transcript.begin(step);
    try {
      return this.transcript.end({ result: await this[step.do](step) });
    } catch (error) {
      return this.transcript.end({ error: described(error) });
    }
  }

  hello() {
    return {
      protocolVersion: this.client.getNegotiatedProtocolVersion(),
      capabilities: this.client.getServerCapabilities(),
      instructions: this.client.getInstructions(),
    };
  }

  list({ what }) {
    const options = { timeout, cacheMode: "refresh" };
    const { client } = this;
    const lists = {
      tools: () => client.listTools({}, options),
      prompts: () => client.listPrompts({}, options),
      resources: () => client.listResources({}, options),
      resource_templates: () => client.listResourceTemplates({}, options),
    };
    return lists[what]();
  }

  params({ name, arguments: given = {} }) {
    const _meta = modern && this.logLevel ? { [LOG_LEVEL_META_KEY]: this.logLevel } : undefined;
    return _meta ? { name, arguments: given, _meta } : { name, arguments: given };
  }

  async call(step, more = {}) {
    const { transcript } = this;
    const heard = (progress) => transcript.notified("notifications/progress", progress);
    const onprogress = step.progress ? heard : undefined;
    const result = await this.client.callTool(this.params(step), { timeout, onprogress, ...more });
    // In the legacy era, notifications may come after the result.
    while (transcript.notifications.length < (step.heard ?? 0)) {
      transcript.more = event();
      await within(transcript.more.wait);
    }
    return result;
  }

  read({ uri }) {
    return this.client.readResource({ uri }, { timeout, cacheMode: "bypass" });
  }

  get(step) {
    return this.client.getPrompt(this.params(step), { timeout });
  }

  complete({ ref, argument }) {
    return this.client.complete({ ref, argument }, { timeout });
  }

  /** Says which log messages the client wants to see from now on. */
  async level({ level }) {
    this.logLevel = level;
    if (!modern) await this.client.setLoggingLevel(level, { timeout });
  }

  /** Asks for changes of the lists and of a resource. */
  async listen({ uri }) {
    if (modern) {
      const lists = {
        toolsListChanged: true,
        promptsListChanged: true,
        resourcesListChanged: true,
      };
      const filter = uri ? { resourceSubscriptions: [uri] } : lists;
      this.streams.push(await this.client.listen(filter, { timeout }));
      return;
    }
    await within(this.attended);
    if (uri) await this.client.subscribeResource({ uri }, { timeout });
  }

  /** Calls a tool, and waits for the notification that it brings about. */
  async change(step) {
    this.transcript.more = event();
    await this.call(step);
    await within(this.transcript.more.wait);
    return { notified: true };
  }

  /** Calls a tool, and gives up once it has said how far it is. */
  async cancel(step) {
    const begun = event();
    const abort = new AbortController();
    const call = this.call(step, { onprogress: begun.set, signal: abort.signal });
    await within(begun.wait);
    abort.abort();
    return { cancelled: await call.then(() => false, () => true) };
  }

  /** Calls a tool that counts calls, until none of those it counts is going on any more. */
  async settled(step) {
    for (;;) {
      const { structuredContent: counts } = await this.call(step);
      if (counts.started === counts.finished + counts.cancelled) return counts;
    }
  }
}

/** What there is to say of an error of the protocol or of the SDK; others are of this program. */
function described(error) {
  if (error instanceof ProtocolError) {
    const { code, message, data } = error;
    return { code, message, data };
  }
  const silent = error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout;
  if (silent || error === NO_ANSWER) return "no answer";
  if (error instanceof SdkError) return `${error.code}: ${error.message}`;
  throw error;
}

const NO_ANSWER = new Error("no answer");

/** What `wait` comes to, unless that takes too long. */
function within(wait) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(reject, timeout, NO_ANSWER)));
  return Promise.race([wait, late]).finally(() => clearTimeout(timer));
}

async function play(script) {
  const transcript = new Transcript(script.hears);
  const attended = event();
  // The stream for what belongs to no request is there once it has been answered.
  const fetching = async (address, init) => {
    const response = await fetch(address, init);
    if (init?.method === "GET" && response.ok) attended.set();
    return response;
  };
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  const transport = new StreamableHTTPClientTransport(url, { requestInit, fetch: fetching });
  const declared = script.declares ?? Object.keys(CAPABILITIES);
  const capabilities = Object.fromEntries(declared.map((name) => [name, CAPABILITIES[name]]));
  const mode = modern ? "auto" : "legacy";
  const options = { capabilities, versionNegotiation: { mode } };
  const client = new Client({ name: "script", version: "1" }, options);
  transcript.attach(client, declared);
  await client.connect(transport, { timeout });
  const player = new Player(client, transcript, attended.wait);
  const seen = [];
  for (const step of script.steps) seen.push(await player.play(step));
  await Promise.all(player.streams.map((stream) => stream.close()));
  await client.close();
  return seen;
}

const seen = {};
for (const [name, script] of Object.entries(JSON.parse(scripts))) seen[name] = await play(script);
console.log(JSON.stringify(seen));
process.exit(0);
