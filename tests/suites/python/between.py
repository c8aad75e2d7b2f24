"""The gateway program between a client and a server that live in the test process.

The server listens on a port of 127.0.0.1; the gateway, a process of its own for each connection,
is configured with that server alone and without a prefix. What differs from a direct run is then
what the gateway does.

Environment:
  GATEWAY         the program mcp-gateway
  SUITES_LOGS     folder for the configurations and logs of the gateways, one pair for each
  SUITES_BETWEEN  gateway (default), or nothing: the same transports without the gateway
  SUITES_PROTOCOL `protocol` of the servers: auto (default), or pinned, the era of the client
"""

import contextlib
import itertools
import json
import os
import re
import socket
import sys
from pathlib import Path

import anyio
import anyio.abc
import uvicorn

ENDPOINT = re.compile(rb"endpoint\s+(http://\S+)")
RELAY = Path(__file__).with_name("relay.py")
# Many times what a start takes on a busy machine.
START_DEADLINE = 20
# A program that a client starts itself has this client alone, on the machine of the client.
OF_ONE_CLIENT = {"sessions": "session", "roots": ["/"]}
numbers = itertools.count(1)


BETWEEN = os.environ.get("SUITES_BETWEEN", "gateway") == "gateway"
PINNED = os.environ.get("SUITES_PROTOCOL", "auto") == "pinned"


def protocol(modern):
    """The `protocol` of a remote server for a client of the given era."""
    if not PINNED:
        return "auto"
    return "modern" if modern else "legacy"

@contextlib.asynccontextmanager
async def listening(app):
    """Serves an ASGI application on a port of its own, and yields the origin."""
    config = uvicorn.Config(app, lifespan="off", log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    with socket.create_server(("127.0.0.1", 0)) as listener:
        origin = "http://127.0.0.1:%d" % listener.getsockname()[1]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            try:
                yield origin
            finally:
                server.should_exit = True
                server.force_exit = True
                with anyio.CancelScope(shield=True), anyio.move_on_after(3):
                    while server.started and server.servers and any(s.is_serving() for s in server.servers):
                        await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def gateway(server):
    """Runs the gateway in front of `server`, an entry of its configuration; yields its URL."""
    logs = Path(os.environ["SUITES_LOGS"])
    name = "%s-%d-%d" % (current_test(), os.getpid(), next(numbers))
    config = logs / (name + ".yaml")
    log = logs / (name + ".log")
    # JSON is YAML.
    config.write_text(
        json.dumps(
            {
                "listen": "127.0.0.1:0",
                "auth": {"anonymous": True},
                "store": "memory",
                "servers": [{"name": "up", "prefix": "", **server}],
            }
        ),
        encoding="utf-8",
    )
    level = os.environ.get("SUITES_LOG_LEVEL", "info")
    command = [os.environ["GATEWAY"], "serve", "--config", str(config), "--log-level", level]
    with log.open("wb") as stderr:
        process = await anyio.open_process(command, stdin=None, stderr=stderr)
    async with process:
        try:
            yield await endpoint(process, log)
        finally:
            with anyio.CancelScope(shield=True):
                await end(process)


async def endpoint(process, log):
    """The URL that the gateway prints when it is ready."""
    printed = b""
    with anyio.move_on_after(START_DEADLINE):
        async for chunk in process.stdout:
            printed += chunk
            if found := ENDPOINT.search(printed):
                return found[1].decode()
    raise RuntimeError("the gateway did not start, see %s" % log)


async def end(process):
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with anyio.move_on_after(1):
        await process.wait()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


# The tests of this process that connected.
tests = set()


def connected():
    """Notes that the current test connects over what this module offers."""
    tests.add(os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0])


def current_test():
    test = os.environ.get("PYTEST_CURRENT_TEST", "none").split(" ")[0]
    return re.sub(r"[^A-Za-z0-9_.=-]+", "-", test.removeprefix("tests/"))[-150:]


UNKNOWN = {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}}


class Lines:
    """A connection as the pair of text files that the stdio transport of the SDK takes.

    Without `discover`, the server that reads them is one of the legacy era.
    """

    def __init__(self, stream, discover):
        self.stream = stream
        self.discover = discover
        self.rest = b""

    def __aiter__(self):
        return self

    async def __anext__(self):
        while b"\n" not in self.rest:
            try:
                self.rest += await self.stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                raise StopAsyncIteration from None
        line, _, self.rest = self.rest.partition(b"\n")
        if self.discover or b'"server/discover"' not in line:
            return line.decode()
        await self.write(json.dumps({**UNKNOWN, "id": json.loads(line)["id"]}) + "\n")
        return await self.__anext__()

    async def write(self, text):
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self.stream.send(text.encode())

    async def flush(self):
        pass


@contextlib.asynccontextmanager
async def program(serve, modern):
    """Makes `serve(lines)` the program of a stdio server; yields its entry `process`.

    The program that the gateway starts is a relay between its standard streams and this process;
    each of its starts is one call of `serve`.
    """
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)

    async def connected(stream):
        async with stream:
            await serve(Lines(stream, modern or not PINNED))

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, connected)
        yield {"command": sys.executable, "args": ["-I", "-S", str(RELAY), str(port)]}
        tasks.cancel_scope.cancel()
