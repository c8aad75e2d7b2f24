"""The Python SDK: its authorization server endpoints, in front of an MCP server.

usage: python_mcp.py PORT URL LIFETIME

The SDK has the endpoints; logins and tokens are the task of its user, and kept in memory here.
"""

import secrets
import sys
import time

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.auth import OAuthToken
from starlette.responses import HTMLResponse, RedirectResponse

port, url, lifetime = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])


class Provider:
    """Clients, codes and tokens in memory."""

    def __init__(self):
        self.clients, self.logins, self.codes, self.access, self.refresh = {}, {}, {}, {}, {}

    async def get_client(self, client_id):
        return self.clients.get(client_id)

    async def register_client(self, client_info):
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client, params):
        login = secrets.token_hex(8)
        self.logins[login] = client, params
        return f"{url}/login?login={login}"

    def finish(self, login, person):
        client, params = self.logins.pop(login)
        code = AuthorizationCode(
            code=secrets.token_hex(20),
            scopes=params.scopes or ["mcp"],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
            subject=person,
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    def issue(self, grant):
        same = {
            "client_id": grant.client_id,
            "scopes": grant.scopes,
            "resource": grant.resource,
            "subject": grant.subject,
        }
        expires_at = int(time.time()) + lifetime
        access = AccessToken(token=secrets.token_hex(20), expires_at=expires_at, **same)
        refresh = RefreshToken(token=secrets.token_hex(20), **same)
        self.access[access.token], self.refresh[refresh.token] = access, refresh
        return OAuthToken(
            access_token=access.token,
            expires_in=lifetime,
            refresh_token=refresh.token,
            scope=" ".join(grant.scopes),
        )

    async def load_authorization_code(self, client, authorization_code):
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client, authorization_code):
        del self.codes[authorization_code.code]
        return self.issue(authorization_code)

    async def load_refresh_token(self, client, refresh_token):
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(self, client, refresh_token, scopes):
        del self.refresh[refresh_token.token]
        return self.issue(refresh_token)

    async def load_access_token(self, token):
        return self.access.get(token)

    async def revoke_token(self, token):
        for tokens in (self.access, self.refresh):
            for key in [key for key, it in tokens.items() if it.subject == token.subject]:
                del tokens[key]


provider = Provider()
server = MCPServer(
    "notes",
    auth_server_provider=provider,
    auth=AuthSettings(
        issuer_url=url,
        resource_server_url=f"{url}/mcp",
        required_scopes=["mcp"],
        validate_token_resource=True,
        client_registration_options=ClientRegistrationOptions(
            enabled=True, valid_scopes=["mcp"], default_scopes=["mcp"]
        ),
        revocation_options=RevocationOptions(enabled=True),
    ),
)


@server.custom_route("/login", methods=["GET", "POST"])
async def login(request):
    if request.method == "GET":
        return HTMLResponse('<form method="post"><input name="name"><button>Log in</button></form>')
    form = await request.form()
    location = provider.finish(request.query_params["login"], form["name"])
    return RedirectResponse(location, status_code=303)


@server.tool()
def whoami() -> str:
    """Returns the name of the caller."""
    return get_access_token().subject


# The server is reached at the address of the recorder.
server.run(
    "streamable-http",
    host="127.0.0.1",
    port=port,
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
)
