#!/usr/bin/env bash
# PyPI fastmcp 4.1.2, InMemoryOAuthProvider: OAuth 2.1 with refresh tokens.
#
# Seen: a client that presents an access token which has just expired loses its refresh token, too.
#   - expired token, refresh                         -> 200
#   - expired token, call with it (401), refresh     -> 401 invalid_grant: a person has to log in again
# The 401 of the call is the usual reason to refresh (RFC 6750, section 3.1: "the client MAY request a new
# access token and retry"). load_access_token revokes an expired token, and revoking one of a pair revokes
# the other. Whoever calls such a server has to refresh before the token expires.
#
# Usage: findings/fastmcp-expired-token.sh    (needs python3 with venv; exit 0 while it is as stated)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fastmcp==4.1.2
cat >"$folder/server.py" <<'PYTHON'
import sys

from fastmcp import FastMCP
from fastmcp.server.auth.auth import ClientRegistrationOptions
from fastmcp.server.auth.providers import in_memory

in_memory.DEFAULT_ACCESS_TOKEN_EXPIRY_SECONDS = 2
port = int(sys.argv[1])
provider = in_memory.InMemoryOAuthProvider(
    base_url=f"http://127.0.0.1:{port}",
    client_registration_options=ClientRegistrationOptions(enabled=True))
FastMCP("server", auth=provider).run(transport="http", host="127.0.0.1", port=port, show_banner=False)
PYTHON
cat >"$folder/client.py" <<'PYTHON'
import base64, hashlib, json, socket, subprocess, sys, time
import urllib.error, urllib.parse, urllib.request

with socket.socket() as listener:
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
base, callback = f"http://127.0.0.1:{port}", "http://127.0.0.1:1/callback"


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


opener = urllib.request.build_opener(NoRedirects)


def send(path, body=None, **headers):
    """The status, the headers and the text of a response."""
    request = urllib.request.Request(base + path, body, headers)
    try:
        response = opener.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        return response.status, response.headers, response.read().decode()


def token(**form):
    form = {"client_id": client, "resource": f"{base}/mcp", **form}
    status, _, text = send("/token", urllib.parse.urlencode(form).encode())
    return status, json.loads(text)


def login():
    """The tokens of a new grant."""
    verifier = "v" * 43
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {"response_type": "code", "client_id": client, "redirect_uri": callback, "state": "s",
             "code_challenge": digest, "code_challenge_method": "S256", "resource": f"{base}/mcp"}
    _, headers, _ = send("/authorize?" + urllib.parse.urlencode(query))
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(headers["location"]).query)["code"][0]
    status, tokens = token(
        grant_type="authorization_code", code=code, code_verifier=verifier, redirect_uri=callback)
    assert status == 200, tokens
    return tokens


def refreshed(calls):
    """The outcome of a refresh after the token has expired, and maybe after a call with it."""
    tokens = login()
    time.sleep(tokens["expires_in"] + 1.5)
    if calls:
        ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
        status, _, _ = send("/mcp", ping, **{
            "authorization": f"Bearer {tokens['access_token']}", "content-type": "application/json",
            "accept": "application/json, text/event-stream"})
        assert status == 401, status
    status, answer = token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    return status, answer.get("error")


server = subprocess.Popen([sys.executable, f"{sys.argv[1]}/server.py", str(port)],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    for _ in range(300):
        try:
            send("/")
            break
        except OSError:
            time.sleep(0.1)
    metadata = {"redirect_uris": [callback], "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]}
    _, _, text = send("/register", json.dumps(metadata).encode(), **{"content-type": "application/json"})
    client = json.loads(text)["client_id"]
    for calls, expected in [(False, (200, None)), (True, (401, "invalid_grant"))]:
        seen = refreshed(calls)
        print(f"{'after a call with the expired token' if calls else 'without a call'}: {seen}")
        if seen != expected:
            sys.exit(f"expected {expected}")
finally:
    server.kill()
    server.wait()
PYTHON
"$folder/venv/bin/python" "$folder/client.py" "$folder"
