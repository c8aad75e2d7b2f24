"""Logs in to an MCP server with the Python SDK of either generation, and calls a tool.

usage: sdk.py URL PERSON...

PERSON is a command that opens the address that is added to it, and prints where it was sent from
there. After each call of the tool, the access token is printed, as a line of JSON; then a line is
read before the next call. It ends with the input.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from urllib.parse import parse_qs, urlsplit

from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

try:
    import httpx2 as httpx
    from mcp import Client
    from mcp.shared.auth import AuthorizationCodeResult
except ImportError:
    import httpx

    Client = None


class Memory:
    """What a client keeps."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Person:
    """Whom the client sends to a page."""

    def __init__(self, command):
        self.command, self.sent_to = command, None

    async def open(self, url):
        pipe = asyncio.subprocess.PIPE
        opened = await asyncio.create_subprocess_exec(*self.command, url, stdout=pipe)
        output, _ = await opened.communicate()
        self.sent_to = output.decode().strip()

    async def code(self):
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.sent_to).query).items()}
        if Client:
            return AuthorizationCodeResult(code=query["code"], state=query["state"], iss=query["iss"])
        return query["code"], query["state"]


async def serve_calls(call, token):
    loop = asyncio.get_running_loop()
    while True:
        result = await call("demo__echo", {"text": "hello"})
        seen = {"text": result.content[0].text, "token": await token()}
        print(json.dumps(seen), flush=True)
        if not await loop.run_in_executor(None, sys.stdin.readline):
            return


async def main():
    url, *command = sys.argv[1:]
    memory, person = Memory(), Person(command)
    metadata = OAuthClientMetadata(
        client_name="Python SDK",
        redirect_uris=["http://127.0.0.1:1/callback"],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    provider = OAuthClientProvider(url, metadata, memory, person.open, person.code)

    async def token():
        return memory.tokens.access_token

    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(auth=provider, timeout=60))
        transport = streamable_http_client(url, http_client=http)
        if Client:
            client = await stack.enter_async_context(Client(transport))
        else:
            read, write, _ = await stack.enter_async_context(transport)
            client = await stack.enter_async_context(ClientSession(read, write))
            await client.initialize()
        await serve_calls(client.call_tool, token)


if __name__ == "__main__":
    asyncio.run(main())
