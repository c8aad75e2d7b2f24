"""A legacy server on standard input and output whose tool tells how many of its calls overlap."""

import json
import sys
import threading
import time

lock = threading.Lock()
active = 0


def put(message, result):
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}) + "\n")
        sys.stdout.flush()


def work(message):
    global active
    with lock:
        active += 1
        seen = active
    time.sleep(message["params"]["arguments"]["seconds"])
    with lock:
        active -= 1
    put(message, {"content": [{"type": "text", "text": str(seen)}]})


for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize":
        put(message, {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "overlap", "version": "1"},
        })
    elif method == "tools/list":
        put(message, {"tools": [{"name": "work", "inputSchema": {"type": "object"}}]})
    elif method == "tools/call":
        threading.Thread(target=work, args=[message]).start()
    elif "id" in message:
        error = {"code": -32601, "message": "no such method"}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}), flush=True)
