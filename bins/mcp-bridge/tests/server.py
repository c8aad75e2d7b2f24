"""A small MCP server on standard input and output, as clients of 2025-11-25 know them."""

import json
import os
import sys

TOOLS = [
    {"name": name, "inputSchema": {"type": "object"}}
    for name in ("echo", "environment", "process")
]


def call(name, arguments):
    if name == "echo":
        return arguments.get("text", "")
    if name == "environment":
        return os.environ.get(arguments["name"], "unset")
    return str(os.getpid())


def answer(method, params):
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "small", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        text = call(params["name"], params.get("arguments", {}))
        return {"content": [{"type": "text", "text": text}]}
    if method == "ping":
        return {}
    return None


for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    response = {"jsonrpc": "2.0", "id": request["id"]}
    result = answer(request["method"], request.get("params", {}))
    if result is None:
        response["error"] = {"code": -32601, "message": "unknown method"}
    else:
        response["result"] = result
    print(json.dumps(response), flush=True)
