"""A legacy server on standard input and output with the habits of its first argument.

Its second argument is a file to which it adds a line whenever it starts.
"""

import json
import sys
import time

HABITS, STARTS = sys.argv[1].split(), sys.argv[2]

with open(STARTS, "a") as file:
    file.write("start\n")

if "crash" in HABITS:
    print("warming up\nthe setting KEY is missing", file=sys.stderr, flush=True)
    sys.exit(3)
if "slow" in HABITS:
    time.sleep(4)
if "noisy" in HABITS:
    print("welcome!\n{}\n[1", flush=True)


def answer(message, member, value):
    response = {"jsonrpc": "2.0", "id": message["id"], member: value}
    print(json.dumps(response), flush=True)


started = False
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if "strict" in HABITS and not started and method != "initialize":
        sys.exit("expected initialize")
    started = True
    meta = message.get("params", {}).get("_meta", {})
    modern = "io.modelcontextprotocol/protocolVersion" in meta
    if method == "server/discover" and "mute" in HABITS:
        continue
    elif method == "server/discover" and ("dual" in HABITS or "modern" in HABITS):
        result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
        answer(message, "result", {**result, "resultType": "complete"})
    elif "id" in message and "modern" in HABITS and not modern and "deaf" not in HABITS:
        answer(message, "error", {"code": -32601, "message": "Method not found"})
    elif method == "initialize" and "deaf" in HABITS:
        continue
    elif method == "initialize":
        version = message["params"]["protocolVersion"]
        if "old" in HABITS and version != "2024-11-05":
            answer(message, "error", {"code": -32602, "message": "unsupported version"})
            continue
        result = {"protocolVersion": version, "capabilities": {"tools": {}}}
        answer(message, "result", {**result, "serverInfo": {"name": "s", "version": "1"}})
    elif method == "tools/list":
        tool = {"name": "ready", "inputSchema": {"type": "object"}}
        answer(message, "result", {"tools": [tool]})
    elif method == "tools/call":
        text = ("in a request" if modern else "in a session") if "dual" in HABITS else "yes"
        result = {"content": [{"type": "text", "text": text}], "resultType": "complete"}
        answer(message, "result", result)
    elif "id" in message:
        answer(message, "error", {"code": -32601, "message": "Method not found"})
