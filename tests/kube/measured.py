"""A gateway whose figures are taken: what the scripts of this folder share. Imported, not run."""

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request

TOKEN = secrets.token_hex(16)


def kubectl(*arguments, text=None):
    command = ["kubectl", "--kubeconfig", sys.argv[2], *arguments]
    return subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.PIPE).stdout


def serve(file, log):
    environment = {**os.environ, "MCP_GATEWAY_TOKEN": TOKEN}
    return subprocess.Popen([sys.argv[1], "serve", str(file)], env=environment, stdout=log, stderr=log)


def wait_ready(port, process):
    while process.poll() is None:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz").read()
        except OSError:
            time.sleep(0.1)
    sys.exit("the gateway has ended")


def caller(port, tool, arguments, longest=60):
    """Function that calls a tool and returns the text of the answer, which takes `longest` seconds at most."""
    prefix = "io.modelcontextprotocol/"
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": tool, "arguments": arguments,
        "_meta": {prefix + "protocolVersion": "2026-07-28", prefix + "clientCapabilities": {},
                  prefix + "clientInfo": {"name": "measured", "version": "1"}}}}).encode()
    headers = {
        "content-type": "application/json", "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {TOKEN}", "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call", "mcp-name": tool,
    }

    def call():
        request = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", body, headers)
        with urllib.request.urlopen(request, timeout=longest) as answer:
            return answer.read().decode()

    return call
