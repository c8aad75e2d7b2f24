"""FastMCP with its authorization server in memory, and a login page.

usage: fastmcp_memory.py PORT URL LIFETIME
"""

import secrets
import sys

from fastmcp import FastMCP
from fastmcp.server.auth.auth import ClientRegistrationOptions, RevocationOptions
from fastmcp.server.auth.providers import in_memory
from fastmcp.server.dependencies import get_access_token
from starlette.responses import HTMLResponse, RedirectResponse

port, url, lifetime = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
in_memory.DEFAULT_ACCESS_TOKEN_EXPIRY_SECONDS = lifetime


class Provider(in_memory.InMemoryOAuthProvider):
    """The provider, which lets everybody in as nobody, with persons."""

    def __init__(self, **options):
        super().__init__(**options)
        self.logins, self.persons = {}, {}

    async def authorize(self, client, params):
        login = secrets.token_hex(8)
        self.logins[login] = client, params
        return f"{url}/login?login={login}"

    async def finish(self, login, person):
        location = await super().authorize(*self.logins.pop(login))
        self.persons[location.split("code=")[1].split("&")[0]] = person
        return location

    def remember(self, tokens, person):
        self.persons[tokens.access_token] = self.persons[tokens.refresh_token] = person
        return tokens

    async def exchange_authorization_code(self, client, authorization_code):
        tokens = await super().exchange_authorization_code(client, authorization_code)
        return self.remember(tokens, self.persons[authorization_code.code])

    async def exchange_refresh_token(self, client, refresh_token, scopes):
        tokens = await super().exchange_refresh_token(client, refresh_token, scopes)
        return self.remember(tokens, self.persons[refresh_token.token])


provider = Provider(
    base_url=url,
    client_registration_options=ClientRegistrationOptions(enabled=True),
    revocation_options=RevocationOptions(enabled=True),
)
server = FastMCP("notes", auth=provider)


@server.custom_route("/login", methods=["GET", "POST"])
async def login(request):
    if request.method == "GET":
        return HTMLResponse('<form method="post"><input name="name"><button>Log in</button></form>')
    form = await request.form()
    location = await provider.finish(request.query_params["login"], form["name"])
    return RedirectResponse(location, status_code=303)


@server.tool
def whoami() -> str:
    """Returns the name of the caller."""
    return provider.persons[get_access_token().token]


server.run(transport="http", host="127.0.0.1", port=port, show_banner=False)
