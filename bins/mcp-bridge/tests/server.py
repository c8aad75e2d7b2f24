"""A small MCP server on standard input and output, as clients of 2025-11-25 know them."""

import json
import os
import signal
import subprocess
import sys
import time

TOOLS = [
    {"name": name, "inputSchema": {"type": "object"}}
    for name in ("echo", "alive", "environment", "exit", "orphan", "process", "sleep")
]


def call(name, arguments):
    if name == "echo":
        return arguments.get("text", "")
    if name == "environment":
        return os.environ.get(arguments["name"], "unset")
    if name == "alive":
        return str(os.path.exists("/proc/" + arguments["process"]))
    if name == "exit":
        os._exit(arguments["code"])
    if name == "orphan":
        # Its parent exits at once, so that the first process of the container inherits it.
        command = ["sh", "-c", "sleep 0.2 >/dev/null & echo $!"]
        return subprocess.check_output(command, text=True).strip()
    if name == "sleep":
        open(arguments["begun"], "w").close()
        time.sleep(arguments["seconds"])
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


# Where SIGTERM is to be recorded, the end of the input is not enough to end this server.
RECORD = os.environ.get("RECORD_TERMINATION")


def terminate(*_):
    with open(RECORD, "w") as file:
        file.write("terminated")
    os._exit(0)


if RECORD:
    signal.signal(signal.SIGTERM, terminate)

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

while RECORD:
    signal.pause()
