#!/usr/bin/env python3
"""Measures calls that wake a server which was scaled to zero. CI does not run this.

usage: wake.py PROGRAM KUBECONFIG IMAGE BRIDGE [ROUNDS]    10 rounds, where no number is given

IMAGE has npm server-everything as bins/mcp-bench/measure-pods makes it, BRIDGE has mcp-bridge, and the node has both.
Prints for each round the time from the call to its answer, and the share of the gateway in it: until the API server
has accepted the scale, and from the first event with a ready pod to the answer. The rest is the cluster's.
"""

import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

from measured import caller, kubectl, serve, wait_ready

PORT = 18153
LONGEST = 120  # seconds until a server sleeps
SCRIPT = "/app/node_modules/@modelcontextprotocol/server-everything/dist/index.js"


class ReadyPods:
    """Times at which a watcher of its own sees a pod become ready."""

    def __init__(self, namespace):
        command = ["kubectl", "--kubeconfig", sys.argv[2], "-n", namespace, "get", "pods", "--watch", "-o",
                   "jsonpath={.metadata.name} {.status.conditions[?(@.type=='Ready')].status}{'\\n'}"]
        self.process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
        self.times = {}
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        for line in self.process.stdout:
            pod, *ready = line.split()
            if ready == ["True"]:
                self.times.setdefault(pod, time.time())


def configuration(namespace):
    return f"""listen: 127.0.0.1:{PORT}
auth: {{ tokens: [{{ name: olga, token: {{ env: MCP_GATEWAY_TOKEN }} }}] }}
log: {{ format: json, level: "info,mcp_gateway_k8s=debug" }}
kubernetes: {{ namespace: {namespace}, kubeconfig: {sys.argv[2]}, bridgeImage: {sys.argv[4]}, reach: network }}
servers:
  - name: everything
    kubernetes:
      {{ image: {sys.argv[3]}, pullPolicy: Never, command: [/usr/bin/node, {SCRIPT}, stdio], sleep: 5s }}
"""


def wait_asleep(namespace):
    begun = time.monotonic()
    while kubectl("-n", namespace, "get", "pods", "-o", "name"):
        if time.monotonic() - begun > LONGEST:
            sys.exit("the server does not fall asleep")
        time.sleep(0.5)
    time.sleep(2)


def log_time(log, event, begun):
    """Time of the first such event since a round has begun."""
    for line in log.read_text().splitlines():
        if f'"{event}"' in line:
            when = datetime.fromisoformat(re.search(r'"timestamp":"([^"]+)"', line)[1].replace("Z", "+00:00"))
            if when.timestamp() >= begun:
                return when.timestamp()
    sys.exit(f"no event: {event}\n{log.read_text()[-4000:]}")


def measure(folder, namespace, rounds):
    file, log = folder / "gateway.yaml", folder / "log"
    file.write_text(configuration(namespace))
    with open(log, "w") as output:
        gateway = serve(file, output)
    call = caller(PORT, "everything__echo", {"message": "awake"}, LONGEST)
    pods = ReadyPods(namespace)
    totals, shares = [], []
    try:
        wait_ready(PORT, gateway)
        call()
        for _ in range(rounds):
            wait_asleep(namespace)
            pods.times.clear()
            begun = time.time()
            assert "awake" in call()
            answered = time.time()
            ready = min(pods.times.values())
            before, after = log_time(log, "server scaled up", begun) - begun, answered - ready
            totals.append(answered - begun)
            shares.append(before + after)
            print(f"{totals[-1]:.2f} s; {before * 1e3:.0f} ms until scaled, {after * 1e3:.0f} ms after ready", flush=True)
    finally:
        pods.process.terminate()
        gateway.terminate()
        gateway.wait()
    print(f"p50 {statistics.median(totals):.2f} s, the gateway's share {statistics.median(shares) * 1e3:.0f} ms")


def main():
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    namespace = f"wake-{secrets.token_hex(3)}"
    kubectl("create", "namespace", namespace)
    try:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), namespace, int(sys.argv[5]) if len(sys.argv) == 6 else 10)
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")


if __name__ == "__main__":
    main()
