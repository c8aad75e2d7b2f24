"""A server of the legacy era on standard input and output that says more than it is asked for.

The tool `start` answers at once, and half a second later its job says something of its own. The
tool `wait` takes a second. Whoever sets a level of log messages is asked questions.
"""

import json
import sys
import threading

LOCK = threading.Lock()


def put(message):
    with LOCK:
        print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def tell(data):
    put({"method": "notifications/message", "params": {"level": "alert", "data": data}})


def answer(message, result):
    put({"id": message["id"], "result": result})


def finish(of):
    tell(f"secret of {of}")
    put({"method": "notifications/vendor", "params": {"of": f"secret of {of}"}})
    put({"id": "q", "method": "sampling/createMessage",
         "params": {"messages": [], "maxTokens": 1, "of": f"secret of {of}"}})


def call(message):
    params = message["params"]
    result = {"content": [{"type": "text", "text": "done"}]}
    if params["name"] == "start":
        answer(message, result)
        threading.Timer(0.5, finish, [params["arguments"]["of"]]).start()
    else:
        threading.Timer(1.0, answer, [message, result]).start()


def take(message):
    method = message.get("method")
    if method == "initialize":
        answer(message, {
            "protocolVersion": "2025-11-25",
            "capabilities": {"logging": {}, "tools": {}},
            "serverInfo": {"name": "lingering", "version": "1"},
        })
    elif method == "tools/list":
        answer(message, {"tools": [
            {"name": name, "inputSchema": {"type": "object"}} for name in ("start", "wait")]})
    elif method == "tools/call":
        call(message)
    elif method == "logging/setLevel":
        answer(message, {})
        for question in ("roots/list", "sampling/createMessage"):
            put({"id": question, "method": question, "params": {}})
    elif method is None and "error" in message:
        tell(f"refused {message['id']}")
    elif "id" in message and method is not None:
        put({"id": message["id"], "error": {"code": -32601, "message": "unknown"}})


for line in sys.stdin:
    take(json.loads(line))
