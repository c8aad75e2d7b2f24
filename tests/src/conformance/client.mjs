// Stands for the client under test: reports the scenario to the test, which acts as the client, and
// ends with the status that the test returns.

import { connect } from 'node:net';

const [port, url] = process.argv.slice(2);
const { MCP_CONFORMANCE_CONTEXT: context, MCP_CONFORMANCE_SCENARIO: name } = process.env;
const socket = connect(Number(port), '127.0.0.1');
socket.write(`${JSON.stringify({ name, url, context: JSON.parse(context ?? '{}') })}\n`);
let status = '';
for await (const chunk of socket) {
  status += chunk;
}
process.exit(Number(status || 1));
