#!/usr/bin/env python3
"""Runs the official conformance suite against servers, directly and through the gateway.

usage: conformance.py RESULTS [CELL...]

A cell is SERVER:REVISION:PROTOCOL, such as everything:2025-11-25:modern: the client of the suite
speaks REVISION, the gateway speaks to the server as PROTOCOL says. What passes directly is taken
from the run of the same revision against the same server in a form that speaks it. Writes one JSON
object for each check to RESULTS: its cell, scenario and name, and the two outcomes.

Environment: GATEWAY, FIXTURE (the fixture server of this repository), SUITES_LOGS, NODE,
NODE_MODULES (with the suite), EVERYTHING (folder of the suite's own server).
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REVISIONS = ("2025-11-25", "2026-07-28")
ERAS = dict(zip(REVISIONS, ("legacy", "modern")))
# The same server under another protocol is the other two of the four combinations of eras.
CELLS = [
    f"{server}:{revision}:{protocol}"
    for server in ("fixture", "everything")
    for revision in REVISIONS
    for protocol in ("auto", "legacy", "modern")
]
START_DEADLINE = 60
SUITE_DEADLINE = 600
TIME = len("-2026-07-28T00-00-00-000Z")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(command, name, **options):
    """Runs a server while the block runs; its output goes to a file."""
    log = Path(os.environ["SUITES_LOGS"], f"{name}.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def await_port(port):
    limit = time.monotonic() + START_DEADLINE
    while time.monotonic() < limit:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


@contextlib.contextmanager
def serving(server, era, name):
    """Runs a server, and yields its URL."""
    port = free_port()
    if server == "fixture":
        command = [os.environ["FIXTURE"], "--http", f"127.0.0.1:{port}", "--era", era]
        options = {}
    else:
        folder = os.environ["EVERYTHING"]
        command = [os.environ["NODE"], "--import", "tsx", "everything-server.ts"]
        options = {"cwd": folder, "env": {**os.environ, "PORT": str(port)}}
    with running(command, f"{name}-server", **options):
        await_port(port)
        yield f"http://127.0.0.1:{port}/mcp"


@contextlib.contextmanager
def gateway(url, protocol, name):
    """Runs the gateway in front of the server at `url`, and yields its URL."""
    port = free_port()
    config = {
        "listen": f"127.0.0.1:{port}",
        "auth": {"anonymous": True},
        "store": "memory",
        "servers": [{"name": "up", "prefix": "", "remote": {"url": url, "protocol": protocol}}],
    }
    path = Path(os.environ["SUITES_LOGS"], f"{name}.yaml")
    path.write_text(json.dumps(config))
    with running([os.environ["GATEWAY"], "serve", "--config", str(path)], f"{name}-gateway"):
        await_port(port)
        yield f"http://127.0.0.1:{port}/mcp"


def conformance(url, revision):
    """The outcome of every check of `revision`, by scenario and check."""
    suite = Path(os.environ["NODE_MODULES"], "@modelcontextprotocol/conformance/dist/index.js")
    with tempfile.TemporaryDirectory() as results:
        command = [os.environ["NODE"], str(suite), "server", "--url", url]
        command += ["--requirements", revision, "-o", results]
        subprocess.run(command, capture_output=True, timeout=SUITE_DEADLINE, check=False)
        seen = {}
        for folder in sorted(Path(results).iterdir()):
            scenario = folder.name.removeprefix("server-")[:-TIME]
            with contextlib.suppress(OSError):
                for check in json.loads((folder / "checks.json").read_text()):
                    known = seen.setdefault((scenario, check["id"]), [])
                    known.append((check["status"], check.get("errorMessage") or ""))
        return seen


def required(revision):
    """The names of the scenarios that count."""
    path = Path(os.environ["NODE_MODULES"], "@modelcontextprotocol/conformance/requirements")
    text = (path / f"{revision}.yaml").read_text()
    section = re.search(r"^server:\n((?:(?:  - .*|\s*#.*|\s*)\n)*)", text, re.M)[1]
    return set(re.findall(r"^  - ([\w-]+)", section, re.M))


def outcome(statuses):
    """One outcome of all runs of a check."""
    for status in ("FAILURE", "WARNING", "SKIPPED", "INFO", "SUCCESS"):
        for seen, message in statuses:
            if seen == status:
                return status, message
    return "MISSING", ""


def compare(cell, direct, through, counts):
    for scenario, check in sorted(set(direct) | set(through)):
        before, _ = outcome(direct.get((scenario, check), []))
        after, message = outcome(through.get((scenario, check), []))
        yield {
            "cell": cell,
            "scenario": scenario,
            "check": check,
            "required": scenario in counts,
            "direct": before,
            "through": after,
            **({"error": message[:2000]} if message else {}),
        }


def main():
    results, *cells = sys.argv[1:]
    directly = {}
    with open(results, "w", encoding="utf-8") as lines:
        for cell in cells or CELLS:
            server, revision, protocol = cell.split(":")
            name = cell.replace(":", "-")
            if (server, revision) not in directly:
                with serving(server, "dual", f"{name}-direct") as url:
                    directly[server, revision] = conformance(url, revision)
            # The suite's own server has both eras always; that of ours has those it is told.
            era = "dual" if protocol == "auto" else protocol
            with serving(server, era, name) as url, gateway(url, protocol, name) as url:
                through = conformance(url, revision)
            checks = list(compare(cell, directly[server, revision], through, required(revision)))
            lines.writelines(json.dumps(check) + "\n" for check in checks)
            lines.flush()
            lost = [c for c in checks if c["direct"] == "SUCCESS" and c["through"] != "SUCCESS"]
            print(f"{cell}: {len(checks)} checks, {len(lost)} pass directly alone", flush=True)


main()
