"""The gateway in front of one program."""

import json
import os
import socket
import subprocess
import time
import urllib.request

from wire import Failure, Http

NAME = "s"
PREFIX = NAME + "__"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Gateway:
    """A gateway with a program as its only server, named `s`."""

    def __init__(self, command, env, directory, scratch, limit):
        self.port = free_port()
        self.log = scratch / "gateway.log"
        config = scratch / "gateway.yaml"
        process = {
            "command": command[0],
            "args": command[1:],
            "env": {name: {"value": value} for name, value in env.items()},
            "directory": str(directory),
            "clearEnvironment": True,
        }
        server = {"name": NAME, "process": process, "connectTimeout": f"{limit}s"}
        # JSON is YAML.
        config.write_text(
            json.dumps(
                {
                    "listen": f"127.0.0.1:{self.port}",
                    "servers": [server],
                    "auth": {"anonymous": True},
                    "store": "memory",
                }
            )
        )
        binary = os.environ.get("GATEWAY", "mcp-gateway")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [binary, "serve", "--config", config],
                env={"PATH": os.environ["PATH"], "HOME": str(scratch)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.ready()

    def ready(self):
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/livez", timeout=5).read()
                return
            except OSError:
                time.sleep(0.1)
        raise Failure("gateway does not start: " + self.log.read_text()[-300:])

    def http(self):
        return Http(self.port)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def without_prefix(lists):
    """The lists with the names that the server gave. The rest is left as it is."""
    renamed = {}
    for member, entries in lists.items():
        renamed[member] = [
            {**e, "name": e["name"].removeprefix(PREFIX)} if member in ("tools", "prompts") else e
            for e in entries
        ]
    return renamed
