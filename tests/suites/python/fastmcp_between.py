"""Plugin of pytest: puts the gateway into the tests of FastMCP that connect in memory.

A client that is given a server reaches it over Streamable HTTP instead, through the gateway or,
with SUITES_BETWEEN=nothing, directly. The tests that do so are marked in the results.
"""

import contextlib

import between
from fastmcp import FastMCP
from fastmcp.client.transports.http import StreamableHttpTransport
from fastmcp.client.transports.memory import FastMCPTransport
from mcp.server.transport_security import TransportSecuritySettings

# Some tests replace it.
CONNECT_SESSION = StreamableHttpTransport.connect_session
UNPROTECTED = TransportSecuritySettings(enable_dns_rebinding_protection=False)


@contextlib.asynccontextmanager
async def served(server):
    """Serves `server` over Streamable HTTP, and yields its URL."""
    if isinstance(server, FastMCP):
        app = server.http_app(host_origin_protection=False)
        lifespan = app.lifespan(app)
    else:
        app = server.streamable_http_app(transport_security=UNPROTECTED)
        lifespan = server.session_manager.run()
    async with lifespan, between.listening(app) as origin:
        yield origin + "/mcp"


@contextlib.asynccontextmanager
async def reached(server, modern):
    async with served(server) as url:
        if not between.BETWEEN:
            yield url
            return
        remote = {"url": url, "protocol": between.protocol(modern)}
        async with between.gateway({"remote": remote}) as url:
            yield url


@contextlib.asynccontextmanager
async def connect_session(self, *, transport_options=None, **session):
    between.connected()
    mode = getattr(transport_options, "backend_mode", None)
    options = {"transport_options": transport_options, **session}
    async with (
        reached(self.server, mode != "legacy") as url,
        CONNECT_SESSION(StreamableHttpTransport(url), **options) as session,
    ):
        yield session


FastMCPTransport.connect_session = connect_session
