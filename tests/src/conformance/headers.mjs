// Adds headers to the requests of the conformance suite, which has no option for that.
//
// Loaded before the suite, with the headers and the origin that may see them in the environment.
import { subscribe } from 'node:diagnostics_channel';
import http from 'node:http';

const { origin, headers } = JSON.parse(process.env.CONFORMANCE_HEADERS);

// Both `fetch` and the package undici announce their requests on this channel.
subscribe('undici:request:create', ({ request }) => {
  if (new URL(request.origin).origin === origin) {
    for (const [name, value] of Object.entries(headers)) request.addHeader(name, value);
  }
});

// The suite calls this as a property of the default export, and so finds the replacement.
const { request } = http;
http.request = (options, ...rest) => {
  if (`http://${options.hostname}:${options.port}` === origin) {
    options = { ...options, headers: { ...options.headers, ...headers } };
  }
  return request(options, ...rest);
};
