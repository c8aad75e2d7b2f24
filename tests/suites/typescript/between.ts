/**
 * Connects the clients and servers of test/e2e of the TypeScript SDK over sockets and pipes, with
 * the gateway program in between.
 *
 * Stands in for helpers/index.ts, whose `wire` connects them in the process. The client is that of
 * the test, over the transport that the gateway offers for it; the server is reached over
 *
 * - inMemory, stdio: stdio
 * - streamableHttp: Streamable HTTP, with sessions
 * - streamableHttpStateless, entryStateless, entryModern: Streamable HTTP, without sessions
 * - sse: HTTP+SSE, and so is the gateway
 *
 * Environment: GATEWAY, SUITES_LOGS, SUITES_BETWEEN, SUITES_PROTOCOL as in python/between.py, and
 * SUITES_RELAY, the path of python/relay.py.
 */

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { openSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';

import { getRequestListener } from '@hono/node-server';
import type { Client } from '@modelcontextprotocol/client';
import { SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';

import type { Transport } from './types';
import type { EntryServerFactory, HttpHandler, RecordedHttpExchange, ServerFactory, Wired, WireOptions } from './helpers/index';
import { hostPerSession, hostStateless } from './helpers/index';
import { startLegacySseHost } from './helpers/sse-host';
import { sniffTransport } from './helpers/wire-sniffer';

export * from './helpers/index';

const BETWEEN = (process.env.SUITES_BETWEEN ?? 'gateway') === 'gateway';
const PINNED = process.env.SUITES_PROTOCOL === 'pinned';
const MODERN = '2026-07-28';

// A program that a client starts itself has this client alone, on the machine of the client.
const OF_ONE_CLIENT = { sessions: 'session', roots: ['/'] };

type Program = { command: string; args: string[] };
type Entry = { process?: Program; remote?: { url: string; protocol: string }; sessions?: string; roots?: string[] };
type Served = { entry: Entry; close: () => Promise<void> };

/** Serves over a relay between the standard streams of a program and this process. */
async function serveStdio(makeServer: ServerFactory): Promise<Served> {
    const sockets = new Set<Socket>();
    const listener = createTcpServer(socket => {
        sockets.add(socket);
        socket.on('error', () => socket.destroy());
        void makeServer().connect(new StdioServerTransport(socket, socket));
    });
    const port = await listen(listener);
    const args = ['-I', '-S', process.env.SUITES_RELAY ?? '', String(port)];
    const close = async () => {
        for (const socket of sockets) socket.destroy();
        listener.close();
    };
    return { entry: { process: { command: 'python3', args }, ...OF_ONE_CLIENT }, close };
}

/** Serves a handler of web requests over HTTP. */
async function serveHttp(handle: HttpHandler, modern: boolean, end: () => Promise<void>): Promise<Served> {
    const listener = createHttpServer(getRequestListener(handle));
    const port = await listen(listener);
    const protocol = PINNED ? (modern ? 'modern' : 'legacy') : 'auto';
    const close = async () => {
        await end();
        listener.closeAllConnections();
        listener.close();
    };
    return { entry: { remote: { url: `http://127.0.0.1:${port}/mcp`, protocol } }, close };
}

async function listen(listener: ReturnType<typeof createTcpServer>): Promise<number> {
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return (listener.address() as AddressInfo).port;
}

async function serve(transport: Transport, makeServer: EntryServerFactory, options: WireOptions): Promise<Served> {
    switch (transport) {
        case 'inMemory':
        case 'stdio': {
            return serveStdio(makeServer);
        }
        case 'streamableHttp':
        case 'streamableHttpStateless': {
            const host = transport === 'streamableHttp' ? hostPerSession(makeServer) : hostStateless(makeServer);
            return serveHttp(host.handleRequest, false, host.close);
        }
        case 'entryStateless':
        case 'entryModern': {
            const legacy = transport === 'entryModern' ? 'reject' : 'stateless';
            const handler = createMcpHandler(makeServer, { legacy, ...options.entry });
            return serveHttp(request => handler.fetch(request), transport === 'entryModern', () => handler.close());
        }
        case 'sse': {
            const host = await startLegacySseHost(makeServer);
            return { entry: { remote: { url: host.url.href, protocol: 'sse' } }, close: host.close };
        }
    }
}

/** Starts the gateway in front of one server, and returns it with the URL that it prints. */
async function startGateway(entry: Entry): Promise<{ url: string; child: ChildProcess }> {
    const path = join(process.env.SUITES_LOGS ?? '', randomUUID());
    const servers = [{ name: 'up', prefix: '', ...entry }];
    writeFileSync(`${path}.yaml`, JSON.stringify({ listen: '127.0.0.1:0', auth: { anonymous: true }, store: 'memory', servers }));
    const log = openSync(`${path}.log`, 'w');
    const child = spawn(process.env.GATEWAY ?? '', ['serve', '--config', `${path}.yaml`], { stdio: ['ignore', 'pipe', log] });
    const url = await new Promise<string>((resolve, reject) => {
        let printed = '';
        child.stdout.on('data', chunk => {
            printed += chunk;
            const found = /endpoint\s+(http:\S+)/.exec(printed);
            if (found?.[1]) resolve(found[1]);
        });
        child.on('exit', () => reject(new Error(`the gateway did not start, see ${path}.log`)));
    });
    return { url, child };
}

async function end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.removeAllListeners('exit');
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 1000);
    await ended;
    clearTimeout(timer);
}

/** `fetch` that takes the addresses of the tests for that of `url`, and records what it does. */
function recording(url: string, log: RecordedHttpExchange[]) {
    return async (address: URL | string, init?: RequestInit): Promise<Response> => {
        const target = new URL(address);
        const request = new Request(target.host === 'in-process' ? url + target.search : target, init);
        const response = await fetch(request.clone());
        // The stream of a session, which a server without sessions does not have, has no end that a test could await.
        if (request.method === 'GET' && response.ok) return response;
        log.push({
            method: request.method.toUpperCase(),
            requestHeaders: request.headers,
            ...(typeof init?.body === 'string' && { requestBody: init.body }),
            status: response.status,
            contentType: response.headers.get('content-type') ?? '',
            response: response.clone()
        });
        return response;
    };
}

function clientTransport(transport: Transport, url: string, fetching: ReturnType<typeof recording>) {
    if (transport === 'sse') return new SSEClientTransport(new URL(BETWEEN ? `${url}/sse` : url));
    return new StreamableHTTPClientTransport(new URL(url), { fetch: fetching });
}

/** Connects `client` to a server, as `wire` of helpers/index.ts does. */
export async function wire(
    transport: Transport,
    makeServer: ServerFactory | EntryServerFactory,
    client: Client,
    options: WireOptions = {}
): Promise<Wired> {
    const served = await serve(transport, makeServer, options);
    const gateway = BETWEEN ? await startGateway(served.entry) : undefined;
    const url = gateway?.url ?? served.entry.remote?.url ?? '';
    const httpLog: RecordedHttpExchange[] = [];
    const fetching = recording(url, httpLog);
    const connection =
        !gateway && served.entry.process ? new StdioClientTransport(served.entry.process) : clientTransport(transport, url, fetching);
    const close = async () => {
        await client.close().catch(() => {});
        if (gateway) await end(gateway.child);
        await served.close();
    };
    if (transport === 'entryModern') client.setVersionNegotiation({ mode: { pin: MODERN } });
    const sniffing = transport === 'entryModern' ? { allowInputRequiredResults: true, ...options } : options;
    try {
        await client.connect(sniffTransport(connection, 'client', sniffing));
    } catch (error) {
        await close();
        throw error;
    }
    const http = transport !== 'inMemory' && transport !== 'stdio';
    const seen = http && { fetch: fetching, url: new URL(url), httpLog };
    return { ...seen, [Symbol.asyncDispose]: close };
}
