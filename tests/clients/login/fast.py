"""Logs in to an MCP server with FastMCP, and calls a tool.

usage: fast.py URL PERSON...

The rest is that of sdk.py.
"""

import asyncio
import sys

from fastmcp import Client
from fastmcp.client.auth import OAuth
from key_value.aio.stores.memory import MemoryStore

from sdk import Person, serve_calls


class Login(OAuth):
    """Sends a person of ours to the page; the code comes back to the server of FastMCP's own."""

    def __init__(self, url, person):
        super().__init__(url, token_storage=MemoryStore())
        self.person, self.opened = person, None

    async def redirect_handler(self, authorization_url):
        self.url = authorization_url

    async def callback_handler(self):
        listening = asyncio.ensure_future(super().callback_handler())
        await self.accepting()
        await self.person.open(self.url)
        return await listening

    async def accepting(self):
        """Waits until the server of FastMCP's own can be reached."""
        while True:
            try:
                _, writer = await asyncio.open_connection("localhost", self.redirect_port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


async def main():
    url, *command = sys.argv[1:]
    login = Login(url, Person(command))

    async def token():
        return (await login.token_storage_adapter.get_tokens()).access_token

    async with Client(url, auth=login) as client:
        await serve_calls(client.call_tool, token)


asyncio.run(main())
