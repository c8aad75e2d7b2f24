#!/usr/bin/env bash
# PyPI mcp-atlassian 0.23.1, MCP 2025-11-25 over stdio.
#
# Seen: two starts with the same configuration list different tools. Of 63 tools, jira_get_board_issues,
# jira_get_issue, jira_get_sprint_issues and jira_search have a text of comma-separated names as the default of
# `fields`; the names are the same eleven each time, in the order of a Python set:
#   first start   "assignee,status,updated,description,created,..."
#   second start  "assignee,updated,labels,status,summary,..."
# Within one process the list stays the same. With PYTHONHASHSEED=0 all starts agree.
# A comparison of tool definitions byte for byte, or by a digest of them, therefore reports a changed server at each
# restart, and so do two replicas of one version.
#
# Usage: findings/mcp-atlassian-defaults.sh    (needs python3 with venv; exit 0 while it is as stated)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mcp-atlassian==0.23.1
python3 - "$folder" <<'PYTHON'
import json, os, subprocess, sys

VARYING = {f"jira_{name}.fields" for name in ("get_board_issues", "get_issue", "get_sprint_issues", "search")}
environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
environment |= {"JIRA_URL": "http://127.0.0.1:1", "JIRA_PERSONAL_TOKEN": "none"}  # nothing connects to it


def lists(**extra):
    """Two answers of one process to tools/list."""
    program = subprocess.Popen(
        [f"{sys.argv[1]}/venv/bin/mcp-atlassian"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env=environment | extra)

    def ask(number, method, params):
        program.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n")
        program.stdin.flush()
        for line in program.stdout:
            message = json.loads(line)
            if message.get("id") == number:
                return message["result"]
        raise SystemExit("the server ended")

    try:
        ask(1, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                              "clientInfo": {"name": "finding", "version": "1"}})
        program.stdin.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
        return [ask(number, "tools/list", {})["tools"] for number in (2, 3)]
    finally:
        program.kill()
        program.wait()


def take_defaults(tools):
    """Removes the default of each argument, and returns them by tool and argument."""
    return {f"{tool['name']}.{name}": schema.pop("default") for tool in tools
            for name, schema in tool["inputSchema"].get("properties", {}).items() if "default" in schema}


fixed = [lists(PYTHONHASHSEED="0") for _ in range(2)]
assert fixed[0] == fixed[1], "starts with PYTHONHASHSEED=0 differ"

starts = [lists() for _ in range(4)]
assert all(first == second for first, second in starts), "one process changed its list"
tools = [first for first, _ in starts]
assert {len(some) for some in tools} == {63}, [len(some) for some in tools]

defaults = [take_defaults(some) for some in tools]
assert all(some == tools[0] for some in tools), "more than defaults differs"
varying = {name for name in defaults[0] if len({json.dumps(some[name]) for some in defaults}) > 1}
assert varying == VARYING, varying
for some in defaults:
    print("jira_search, default of fields:", some["jira_search.fields"])
orders = {tuple(some["jira_search.fields"].split(",")) for some in defaults}
assert len({frozenset(order) for order in orders}) == 1 and all(len(order) == 11 for order in orders), orders
PYTHON
