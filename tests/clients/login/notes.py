"""An MCP server of FastMCP with its authorization server in memory, at the port of the argument.

Everybody who opens the authorization URL is let in. Access tokens expire soon.
"""

import sys

from fastmcp import FastMCP
from fastmcp.server.auth.auth import ClientRegistrationOptions, RevocationOptions
from fastmcp.server.auth.providers import in_memory
from fastmcp.server.dependencies import get_access_token

in_memory.DEFAULT_ACCESS_TOKEN_EXPIRY_SECONDS = 4

port = int(sys.argv[1])
provider = in_memory.InMemoryOAuthProvider(
    base_url=f"http://127.0.0.1:{port}",
    client_registration_options=ClientRegistrationOptions(enabled=True),
    revocation_options=RevocationOptions(enabled=True),
)
server = FastMCP("notes", auth=provider)


@server.tool
def whoami() -> str:
    """Returns the access token of the caller."""
    return get_access_token().token


server.run(transport="http", host="127.0.0.1", port=port, show_banner=False)
