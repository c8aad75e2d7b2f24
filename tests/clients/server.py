"""A small MCP server on the Python SDK of either generation.

usage: server.py stdio|http

Over HTTP, the first line of its output is its URL.
"""

import socket
import sys

try:
    from mcp.server.mcpserver import Context, MCPServer as Server
except ImportError:
    from mcp.server.fastmcp import Context, FastMCP as Server

from pydantic import BaseModel

server = Server("small", instructions="A small server")


class Sum(BaseModel):
    sum: int
    of: list[int]


@server.tool()
def add(a: int, b: int) -> Sum:
    """Adds two numbers."""
    return Sum(sum=a + b, of=[a, b])


@server.tool()
def fail(reason: str) -> str:
    """Fails."""
    raise ValueError(reason)


@server.tool()
async def count(to: int, context: Context) -> str:
    """Counts, and says how far it is."""
    for number in range(1, to + 1):
        await context.report_progress(number, to)
    return f"counted to {to}"


@server.resource("small://text")
def text() -> str:
    """A text."""
    return "what is in the resource"


@server.resource("small://items/{number}")
def item(number: str) -> str:
    """One of many."""
    return f"item {number}"


@server.prompt()
def greet(name: str) -> str:
    """Greets."""
    return f"Say hello to {name}"


if sys.argv[1] == "stdio":
    server.run("stdio")
else:
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    config = uvicorn.Config(server.streamable_http_app(), log_level="error")
    uvicorn.Server(config).run(sockets=[listener])
