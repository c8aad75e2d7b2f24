"""A server on standard input and output that is as bad as its first argument says.

Its second argument is a file to which it adds the numbers of its processes.
"""

import json
import os
import signal
import subprocess
import sys
import time

HOW, NUMBERS = sys.argv[1], sys.argv[2]


def note(number):
    with open(NUMBERS, "a") as file:
        file.write(f"{number}\n")


def put(data):
    if isinstance(data, dict):
        data = json.dumps(data).encode()
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()


def answer(message, result):
    put({"jsonrpc": "2.0", "id": message["id"], "result": result})


def tool(name):
    return {"name": name, "inputSchema": {"type": "object"}}


def lie(message):
    text = {"content": [{"type": "text", "text": "lied"}]}
    if HOW == "crash":
        sys.stderr.write("I have crashed\n")
        sys.stderr.flush()
        os._exit(3)
    elif HOW == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif HOW == "mute":
        return
    elif HOW == "hang up":
        sys.stdout.buffer.flush()
        os.close(1)
        time.sleep(1000)
    elif HOW == "noisy":
        for _ in range(100):
            sys.stderr.write("noise " * 20000 + "\n")
        sys.stderr.write("x" * 1000000)
        sys.stderr.flush()
    elif HOW == "garbage":
        for line in [b"hello", b"", b"   ", b"\xff\xfe\x00", b"{", b"[]", b"null", b"7", b"{}"]:
            put(line)
        put(b"[" * 1000)
        put({"jsonrpc": "2.0", "id": 987654, "result": {}})
        put({"jsonrpc": "2.0", "id": None, "result": {}})
        put({"jsonrpc": "2.0", "id": "x", "error": {"code": 1, "message": "x"}})
        put({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})
        put({"jsonrpc": "2.0", "method": "notifications/message"})
    elif HOW == "endless line":
        while True:
            sys.stdout.buffer.write(b"x" * 65536)
    elif HOW == "two answers":
        answer(message, text)
    elif HOW == "fields missing":
        put({"jsonrpc": "2.0", "id": message["id"]})
        return
    elif HOW == "deep":
        number = json.dumps(message["id"]).encode()
        deep = b"[" * 100000 + b"]" * 100000
        put(b'{"jsonrpc":"2.0","result":{"id":0,"x":' + deep + b'},"id":' + number + b"}")
        return
    answer(message, text)


def take(message):
    method = message.get("method")
    if HOW == "loop" and method not in ("initialize", "server/discover"):
        os._exit(4)
    if method == "initialize":
        answer(message, {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "child", "version": "1"},
        })
    elif method == "tools/list":
        answer(message, {"tools": [tool("truth"), tool("lie")]})
    elif method == "tools/call" and message["params"]["name"] == "truth":
        answer(message, {"content": [{"type": "text", "text": "true"}]})
    elif method == "tools/call":
        lie(message)
    elif "id" in message and method:
        error = {"code": -32601, "message": "no such method"}
        put({"jsonrpc": "2.0", "id": message["id"], "error": error})


note(os.getpid())
if HOW == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"
    note(subprocess.Popen([sys.executable, "-c", script]).pid)
elif HOW == "parent":
    note(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]).pid)
elif HOW == "deaf":
    time.sleep(1000)
elif HOW == "at once":
    sys.stderr.write("I cannot start\n")
    sys.exit(7)
for line in sys.stdin:
    take(json.loads(line))
if HOW == "stubborn":
    time.sleep(1000)
