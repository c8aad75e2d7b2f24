"""A gateway with two users, who call a server with their own accounts."""

import json
import os
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from browser import Browser
from listing import Client
from wire import Failure, Http, RpcError

NAME = "notes"
ERAS = ("legacy", "modern")
LIMIT = 60
PASSWORD = "correct horse battery"


class Site:
    """A gateway process, whose only server is that of an authorization server under test."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.url = f"http://127.0.0.1:{port}"
        self.config, self.process = folder / "gateway.yaml", None
        self.binary = os.environ.get("GATEWAY", "mcp-gateway")

    def start(self, server, client):
        """Starts the gateway for the MCP server at `server`, with `client` if it is registered."""
        oauth = {}
        if client:
            oauth = {"clientId": client[0], "clientSecret": {"env": "CLIENT_SECRET"}}
        definition = {"name": NAME, "remote": {"url": server, "auth": {"oauth": oauth}}}
        config = {
            "listen": f"127.0.0.1:{self.port}",
            "publicUrl": self.url,
            "store": {"sqlite": str(self.folder / "gateway.db")},
            "auth": {"login": {"local": True}, "allowedNetworks": ["127.0.0.0/8"]},
            "servers": [definition],
        }
        # JSON is YAML.
        self.config.write_text(json.dumps(config))
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "CLIENT_SECRET": client[1] if client else "",
            "MCP_GATEWAY_LOG": "info",
        }
        people = [Person(self, name) for name in ("alice", "bob")]
        with (self.folder / "gateway.log").open("wb") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve", "--config", self.config],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self.wait()
        for person in people:
            person.log_in()
        return people

    def operate(self, *arguments, **options):
        """The last line that a command of the operator prints."""
        done = subprocess.run(
            [self.binary, *arguments, "--config", self.config],
            env=self.env, capture_output=True, text=True, **options,
        )
        if done.returncode:
            raise Failure(f"{arguments}: {done.stderr[-300:]}")
        return done.stdout.splitlines()[-1]

    def wait(self):
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.url}/livez", timeout=5).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise Failure("gateway does not start: " + (self.folder / "gateway.log").read_text()[-300:])

    def close(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def at_once(clients):
    """The outcomes of calls at once."""
    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(lambda client: Outcome.of(client, "whoami"), clients))


class Outcome:
    """The result of a call, or its error."""

    @classmethod
    def of(cls, client, tool):
        params = client.params(name=f"{NAME}__{tool}", arguments={})
        try:
            return cls(client.transport.request("tools/call", params, LIMIT))
        except RpcError as error:
            return cls({"isError": True, "content": [{"text": str(error)}]})

    def __init__(self, result):
        parts = result.get("content", [])
        self.text = "\n".join(part.get("text", "") for part in parts)
        self.is_error = bool(result.get("isError"))
        problem = result.get("_meta", {}).get("mcp-gateway/problem", {})
        self.link = problem.get("url") if self.is_error else None


class Person:
    """A user of the gateway, with a browser and a client of each era."""

    def __init__(self, site, name):
        self.site, self.name, self.browser = site, name, Browser()
        self.password = site.operate("user", "create", name).split()[-1]
        self.token = site.operate("token", "create", name, "--user", name).split()[-1]
        self.clients = {}

    def log_in(self):
        page = self.browser.get(f"{self.site.url}/api/auth/login")
        self.browser.submit(page, {"name": self.name, "password": self.password})

    def client(self, era):
        if era not in self.clients:
            self.clients[era] = self.new_client(era)
        return self.clients[era]

    def new_client(self, era):
        headers = {"authorization": f"Bearer {self.token}"}
        client = Client(Http(self.site.port, headers), era, LIMIT)
        client.begin()
        return client

    def call(self, tool="whoami", era="modern"):
        return Outcome.of(self.client(era), tool)

    def connect(self, link, typed):
        """Follows the link, and logs in at the authorization server."""
        page = self.browser.walk(link, f"{self.site.url}/connect/callback", typed)
        if page.title != "Your account is connected":
            raise Failure(f"{page.status} {page.title}: {' '.join(page.text.split())[-400:]}")

    def disconnect(self):
        page = self.browser.get(f"{self.site.url}/connect")
        csrf = next(
            it["value"] for _, inputs in page.forms for _, it in inputs if it.get("name") == "csrf"
        )
        self.browser.post(f"{self.site.url}/connect/{NAME}/disconnect", {"csrf": csrf})
