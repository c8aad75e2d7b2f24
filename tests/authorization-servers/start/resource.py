"""An MCP server that is protected by an authorization server elsewhere.

usage: resource.py PORT ISSUER jwks ADDRESS
       resource.py PORT ISSUER userinfo ADDRESS

Tokens are JWTs that keys verify, or are presented to the UserInfo endpoint. The tool `write` requires the scope `write`; a token without it is rejected with 403.
"""

import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, issuer, kind, address = sys.argv[1:]
URL = f"http://127.0.0.1:{port}/mcp"
METADATA = "/.well-known/oauth-protected-resource/mcp"
COMPLETE = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("whoami", "write")]


def verifier():
    """A function that returns the claims of a token, or raises."""
    if kind == "userinfo":
        return userinfo
    import jwt

    keys = jwt.PyJWKClient(address)
    return lambda token: jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token).key,
        algorithms=["RS256"],
        audience=URL,
        issuer=issuer,
    )


def userinfo(token):
    request = urllib.request.Request(address, headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def respond(self, status, document=None, challenge=None):
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        if challenge is not None:
            metadata = f'resource_metadata="{URL.removesuffix("/mcp")}{METADATA}"'
            self.send_header("www-authenticate", f"Bearer {challenge}{metadata}")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path != METADATA:
            return self.respond(405 if self.path == "/mcp" else 404)
        scopes = ["mcp"] if kind == "jwks" else ["openid", "profile"]
        return self.respond(
            200,
            {"resource": URL, "authorization_servers": [issuer], "scopes_supported": scopes},
        )

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return self.respond(401, challenge="")
        try:
            claims = verify(token)
        except Exception as error:  # noqa: BLE001
            print(f"token rejected: {error!r}", file=sys.stderr, flush=True)
            return self.respond(401, challenge='error="invalid_token", ')
        if "id" not in message:
            return self.respond(202)
        return self.answer(message, claims)

    def answer(self, message, claims):
        method, params = message["method"], message.get("params", {})
        person = claims.get("preferred_username") or claims["sub"]
        if method == "server/discover":
            result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
        elif method == "tools/list":
            result = {"tools": TOOLS}
        elif method == "tools/call":
            writes = params["name"] == "write"
            if writes and "write" not in claims.get("scope", "").split():
                scopes = 'error="insufficient_scope", scope="mcp write", '
                return self.respond(403, challenge=scopes)
            text = f"written by {person}" if writes else person
            result = {"content": [{"type": "text", "text": text}]}
        else:
            error = {"code": -32601, "message": "Method not found"}
            return self.respond(200, {"jsonrpc": "2.0", "id": message["id"], "error": error})
        return self.respond(
            200, {"jsonrpc": "2.0", "id": message["id"], "result": {**COMPLETE, **result}}
        )

    def log_message(self, *_):
        pass


verify = verifier()
ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
