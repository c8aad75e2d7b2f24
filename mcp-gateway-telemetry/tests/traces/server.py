"""A server of the legacy era over standard input and output, whose tool returns its request."""

import json
import sys

for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    answer = {"jsonrpc": "2.0", "id": request["id"]}
    if request["method"] == "initialize":
        answer["result"] = {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "stdio", "version": "1"},
        }
    elif request["method"] == "tools/list":
        tool = {"name": "truth", "inputSchema": {"type": "object"}}
        answer["result"] = {"tools": [tool]}
    elif request["method"] == "tools/call":
        text = json.dumps(request["params"].get("_meta"))
        answer["result"] = {"content": [{"type": "text", "text": text}]}
    else:
        answer["error"] = {"code": -32601, "message": "unknown"}
    print(json.dumps(answer), flush=True)
