"""Plugin of pytest: puts the gateway into the interaction tests of the Python SDK.

Replaces the connections that these tests are parametrized by. The client is that of the tests,
over the transport that the gateway offers for it; the server is reached over

  in-memory                  stdio
  streamable-http            Streamable HTTP, with sessions
  streamable-http-stateless  Streamable HTTP without sessions
  sse                        HTTP+SSE, and so is the gateway
"""

import contextlib
import functools
import sys

import between
import httpx2
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server
from mcp_types.version import LATEST_HANDSHAKE_VERSION, MODERN_PROTOCOL_VERSIONS


def lowlevel(server):
    return server._lowlevel_server if isinstance(server, MCPServer) else server


@contextlib.asynccontextmanager
async def over_stdio(server, modern, _options):
    async def serve(lines):
        # An exception of a server ends its program, and nothing else.
        with contextlib.suppress(Exception):
            async with stdio_server(stdin=lines, stdout=lines) as (read, write):
                inner = lowlevel(server)
                await inner.run(read, write, inner.create_initialization_options())

    async with between.program(serve, modern) as process:
        yield {"process": process, **between.OF_ONE_CLIENT}


@contextlib.asynccontextmanager
async def over_http(server, modern, options):
    unprotected = sys.modules["tests.interaction._connect"].NO_DNS_REBINDING_PROTECTION
    app = server.streamable_http_app(transport_security=unprotected, **options)
    async with server.session_manager.run(), between.listening(app) as origin:
        yield {"remote": {"url": origin + "/mcp", "protocol": between.protocol(modern)}}


@contextlib.asynccontextmanager
async def over_sse(server, modern, _options):
    app, _ = sys.modules["tests.interaction._connect"].build_sse_app(server)
    async with between.listening(app) as origin:
        yield {"remote": {"url": origin + "/sse", "protocol": "sse"}}


@contextlib.asynccontextmanager
async def directly(entry):
    """The transport of a client that reaches the server itself."""
    if process := entry.get("process"):
        yield stdio_client(StdioServerParameters(**process))
    elif entry["remote"]["protocol"] == "sse":
        yield sse_client(entry["remote"]["url"])
    else:
        async with streamable(entry["remote"]["url"]) as transport:
            yield transport


@contextlib.asynccontextmanager
async def through_gateway(transport, entry):
    async with between.gateway(entry) as url, transport(url) as transport:
        yield transport


@contextlib.asynccontextmanager
async def streamable(url):
    timeout = httpx2.Timeout(30, read=300)
    async with httpx2.AsyncClient(timeout=timeout, trust_env=False) as http:
        yield streamable_http_client(url, http_client=http)


@contextlib.asynccontextmanager
async def event_stream(url):
    yield sse_client(url + "/sse")


SERVER_OPTIONS = ("stateless_http", "json_response", "event_store", "retry_interval")


@contextlib.asynccontextmanager
async def connect(upstream, transport, server, *, spec_version=LATEST_HANDSHAKE_VERSION, **options):
    """Connects a client to `server` through a gateway."""
    between.connected()
    modern = spec_version in MODERN_PROTOCOL_VERSIONS
    served = {name: options.pop(name) for name in SERVER_OPTIONS if name in options}
    reach = functools.partial(through_gateway, transport) if between.BETWEEN else directly
    async with (
        upstream(server, modern, served) as entry,
        reach(entry) as transport,
        Client(transport, mode=spec_version if modern else "legacy", **options) as client,
    ):
        yield client


OVER_HTTP = functools.partial(connect, over_http, streamable)
FACTORIES = {
    "in-memory": functools.partial(connect, over_stdio, streamable),
    "streamable-http": OVER_HTTP,
    "streamable-http-stateless": functools.partial(OVER_HTTP, stateless_http=True),
    "sse": functools.partial(connect, over_sse, event_stream),
}


def pytest_collection_finish(session):
    sys.modules["tests.interaction.conftest"]._FACTORIES.update(FACTORIES)
