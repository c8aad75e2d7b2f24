"""A server on standard input and output whose tool tells the variable NAME and the arguments.

usage: whoami.py modern|legacy [ARGUMENT...]
"""

import json
import os
import sys

MODERN = sys.argv[1] == "modern"
NAME = os.environ["NAME"]
if NAME == "nobody":
    sys.exit("unknown name")


def put(message, result):
    if MODERN:
        result |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)


for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "server/discover" and MODERN:
        put(message, {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
    elif method == "initialize" and not MODERN:
        put(message, {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "whoami", "version": "1"},
        })
    elif method == "tools/list":
        put(message, {"tools": [{"name": "whoami", "inputSchema": {"type": "object"}}]})
    elif method == "tools/call":
        text = "|".join([NAME, *sys.argv[2:]])
        put(message, {"content": [{"type": "text", "text": text}]})
    elif "id" in message:
        error = {"code": -32601, "message": "no such method"}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}), flush=True)
