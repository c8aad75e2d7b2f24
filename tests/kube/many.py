#!/usr/bin/env python3
"""Declares many servers on a cluster at two replicas of the gateway, and measures both. CI does not run this.

usage: many.py PROGRAM KUBECONFIG [SERVERS]    500 servers, where no number is given

Prints when the objects of all servers exist, the requests of the API server until then and in one minute, the
memory of each replica, the holder of the lease, and the time of a call to a server that is not on the cluster, before
and after. The namespace is deleted at the end. The servers fit no node: it is the gateway that is measured.
"""

import collections
import re
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path

from measured import caller, kubectl, serve, wait_ready

CALLS = 2000
LONGEST = 600  # seconds until the objects of all servers exist
MANIFEST = r"{.metadata.annotations.mcp-gateway\.dev/manifest}"


def requests():
    """Number of requests that the API server has had for objects that the gateway has to do with."""
    kinds = "deployments|networkpolicies|secrets|pods|events|leases|services|replicasets"
    counts = collections.Counter()
    for line in kubectl("get", "--raw", "/metrics").splitlines():
        found = re.match(r"apiserver_request_total\{(.*)\} (\S+)", line)
        if found:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', found[1]))
            if re.fullmatch(kinds, labels["resource"]) and labels["scope"] != "cluster":
                counts[labels["verb"], labels["resource"]] += int(float(found[2]))
    return counts


def memory(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    amounts = dict(re.findall(r"(\w+):\s+(\d+) kB", status))
    return ", ".join(f"{name} {int(amounts[name]) / 1024:.0f} MiB" for name in ("VmRSS", "VmHWM", "RssAnon"))


def call_time(port):
    call, times = caller(port, "demo__add", {"a": 1, "b": 2}), []
    for _ in range(CALLS):
        begun = time.perf_counter()
        answer = call()
        times.append(time.perf_counter() - begun)
    assert '"sum":3.0' in answer, answer
    return f"p50 {statistics.median(times) * 1e6:.0f} µs"


def configuration(folder, namespace, port, servers):
    text = f"""listen: 127.0.0.1:{port}
auth: {{ tokens: [{{ name: olga, token: {{ env: MCP_GATEWAY_TOKEN }}, admin: true }}] }}
kubernetes: {{ namespace: {namespace}, kubeconfig: {sys.argv[2]}, bridgeImage: localhost/none:1, reach: network }}
servers:
  - {{ name: demo, builtin: demo }}
"""
    for place in range(servers):
        text += f"  - {{ name: s{place}, kubernetes: {{ image: localhost/none:1, command: [none], " \
                "nodeSelector: { none: such }, resources: { limits: { memory: 64Mi } }, egress: internet } }\n"
    file = folder / f"{port}-{servers}.yaml"
    file.write_text(text)
    return file


def count(namespace, kind, path="{.metadata.name}"):
    """Number of objects of a kind that have something at a path."""
    output = f"jsonpath={{range .items[*]}}{path}{{'\\n'}}{{end}}"
    return len(kubectl("-n", namespace, "get", kind, "-o", output).split())


def wait_for(folder, condition):
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > LONGEST:
            sys.exit((folder / "log").read_text()[-4000:])
        time.sleep(1)


def measure(folder, namespace, servers):
    ports = [18151, 18152]
    with open(folder / "log", "w") as log:
        alone = serve(configuration(folder, namespace, ports[0], 0), log)
        try:
            wait_ready(ports[0], alone)
            call_time(ports[0])
            print(f"without servers: {memory(alone)}; call {call_time(ports[0])}", flush=True)
        finally:
            alone.terminate()
            alone.wait()
        before, begun = requests(), time.monotonic()
        replicas = [serve(configuration(folder, namespace, port, servers), log) for port in ports]
        try:
            for port, process in zip(ports, replicas):
                wait_ready(port, process)
            wait_for(folder, lambda: count(namespace, "networkpolicies") == servers and
                     count(namespace, "deployments", MANIFEST) == servers)
            settled = requests()
            print(f"{servers} servers: settled in {time.monotonic() - begun:.0f} s")
            report(settled - before)
            wait_for(folder, lambda: count(namespace, "pods") == servers)
            begun = requests()
            time.sleep(60)
            print("in a minute, once each has a pod that fits no node:")
            report(requests() - begun)
            print("leases:", kubectl("-n", namespace, "get", "leases", "-o",
                                     "jsonpath={range .items[*]}{.metadata.name} {.spec.holderIdentity}; {end}"))
            for port, process in zip(ports, replicas):
                print(f"replica {port}: {memory(process)}; call {call_time(port)}")
        finally:
            for process in replicas:
                process.terminate()
            for process in replicas:
                process.wait()


def report(counts):
    for (verb, kind), number in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"  {verb:<8}{kind:<18}{number:>6}")
    print(f"  {sum(counts.values())} requests in all, also those of the control plane")


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    servers = int(sys.argv[3]) if len(sys.argv) == 4 else 500
    namespace = f"many-{secrets.token_hex(3)}"
    kubectl("create", "namespace", namespace)
    try:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), namespace, servers)
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")


if __name__ == "__main__":
    main()
