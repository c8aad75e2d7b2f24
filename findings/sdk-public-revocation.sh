#!/usr/bin/env bash
# PyPI mcp 2.3.0, the authorization server endpoints of the SDK (create_auth_routes); the same in FastMCP.
#
# Seen: a public client cannot revoke its tokens as RFC 7009, section 2.1 says. It registers with the
# method `none`, gets no secret, and the token endpoint accepts it by its client_id alone. But
#   - POST /revoke, token and client_id                         -> 400 invalid_request, client_secret missing
#   - POST /revoke, token, client_id and an empty client_secret -> 200
# The field `client_secret: str | None` of the request has no default. So tokens of a public client live on
# after a logout, unless it sends a parameter that it has no value for.
#
# Usage: findings/sdk-public-revocation.sh    (needs python3 with venv; exit 0 while it is as stated)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mcp==2.3.0
"$folder/venv/bin/python" - <<'PYTHON'
import json, socket, sys, threading, time, urllib.error, urllib.parse, urllib.request

import uvicorn
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from pydantic import AnyHttpUrl
from starlette.applications import Starlette

with socket.socket() as listener:
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
base = f"http://127.0.0.1:{port}"


class Provider:
    """Clients, and no tokens: the revocation of an unknown token is a success."""

    def __init__(self):
        self.clients = {}

    async def get_client(self, client_id):
        return self.clients.get(client_id)

    async def register_client(self, client_info):
        self.clients[client_info.client_id] = client_info

    async def load_access_token(self, token):
        return None

    async def load_refresh_token(self, client, refresh_token):
        return None


routes = create_auth_routes(
    Provider(), AnyHttpUrl(base),
    client_registration_options=ClientRegistrationOptions(enabled=True),
    revocation_options=RevocationOptions(enabled=True))
server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=port, log_level="error"))
threading.Thread(target=server.run, daemon=True).start()
while not server.started:
    time.sleep(0.05)


def send(path, body, kind):
    request = urllib.request.Request(base + path, body, {"content-type": kind})
    try:
        response = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        return response.status, response.read().decode()


metadata = {"redirect_uris": ["http://127.0.0.1:1/callback"], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]}
_, text = send("/register", json.dumps(metadata).encode(), "application/json")
client = json.loads(text)
print(f"registered for {client['token_endpoint_auth_method']}, secret: {client.get('client_secret')}")
form = {"token": "t", "client_id": client["client_id"]}
for more, expected in [({}, 400), ({"client_secret": ""}, 200)]:
    body = urllib.parse.urlencode({**form, **more}).encode()
    status, text = send("/revoke", body, "application/x-www-form-urlencoded")
    print(f"{sorted({**form, **more})}: {status} {text.strip()[:90]}")
    if status != expected:
        sys.exit(f"expected {expected}")
PYTHON
