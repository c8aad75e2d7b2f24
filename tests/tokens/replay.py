#!/usr/bin/env python3
"""A server whose tools are the lines of a file.

usage: replay.py FILE SERVER COUNT
"""

import json
import sys

FIELDS = ("name", "title", "description", "inputSchema")


def result(method, params, tools):
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": sys.argv[2], "version": "1"},
        }
    return {"tools": tools} if method == "tools/list" else {}


def main(path, server, count):
    with open(path) as file:
        lines = [json.loads(line) for line in file]
    lines = [line for line in lines if line["server"] == server]
    named = list({line["name"]: line for line in lines}.values())[: int(count)]
    tools = [{name: line[name] for name in FIELDS if name in line} for line in named]
    for message in map(json.loads, sys.stdin):
        if "id" not in message:
            continue
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        if message["method"] == "server/discover":
            answer["error"] = {"code": -32601, "message": "method not found"}
        else:
            answer["result"] = result(message["method"], message.get("params", {}), tools)
        print(json.dumps(answer), flush=True)


main(*sys.argv[1:])
