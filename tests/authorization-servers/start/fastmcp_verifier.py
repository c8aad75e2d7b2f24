"""FastMCP with JWTs of another authorization server, which it verifies or issues itself.

usage: fastmcp_verifier.py PORT URL ISSUER JWKS verifier
       fastmcp_verifier.py PORT URL ISSUER JWKS proxy CLIENT SECRET LIFETIME
"""

import sys

from fastmcp import FastMCP
from fastmcp.server.auth import OAuthProxy, RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token

port, url, issuer, jwks, kind, *rest = sys.argv[1:]
verifier = JWTVerifier(
    jwks_uri=jwks, issuer=issuer, audience=f"{url}/mcp", required_scopes=["mcp"]
)
if kind == "verifier":
    auth = RemoteAuthProvider(
        token_verifier=verifier, authorization_servers=[issuer], base_url=url
    )
else:
    client, secret, lifetime = rest
    auth = OAuthProxy(
        upstream_authorization_endpoint=f"{issuer}/auth",
        upstream_token_endpoint=f"{issuer}/token",
        upstream_revocation_endpoint=f"{issuer}/token/revocation",
        upstream_client_id=client,
        upstream_client_secret=secret,
        token_verifier=verifier,
        base_url=url,
        valid_scopes=["openid", "offline_access", "mcp"],
        extra_authorize_params={"prompt": "consent"},
        fastmcp_access_token_expiry_seconds=int(lifetime),
    )
server = FastMCP("notes", auth=auth)


@server.tool
def whoami() -> str:
    """Returns the name of the caller."""
    return get_access_token().claims["sub"]


server.run(transport="http", host="127.0.0.1", port=int(port), show_banner=False)
