"""The authorization servers under test, each with an MCP server that it protects."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import zitadel
from gateway import free_port
from install import Package, Tools
from recorder import Recorder
from wire import Failure

ROOT = Path(__file__).resolve().parent.parent.parent
START = Path(__file__).resolve().parent / "start"
SECRET = "secret-of-the-registered-client-0123456789"


def environment():
    """The components of tests/env/install.sh."""
    return json.loads(subprocess.check_output([ROOT / "tests/env/install.sh", "--check"]))


class Provider:
    """An authorization server behind a recorder.

    The MCP server is part of it, unless `resource` is a command.
    """

    name = "?"
    client = None
    has_step_up = False
    keeps_state = False
    # Whether the registered client may revoke its tokens.
    has_revocation = True
    # Of access tokens, in seconds.
    lifetime = 6
    # Time after which they have expired.
    pause = 7
    # Whether refresh tokens expire with them.
    ends_idle = False

    def __init__(self, folder, components, callback):
        self.folder, self.components, self.callback = folder, components, callback
        self.port = free_port()
        self.recorder = Recorder(free_port(), self.port)
        self.url = self.recorder.url
        self.server = f"{self.url}/mcp"
        self.env = {
            **os.environ,
            "NODE_MODULES": components["node_modules"],
            "HOME": str(folder),
            "FASTMCP_HOME": str(folder),
        }
        self.processes = {}

    def start(self):
        self.run("provider", self.command(), self.port)

    def restart(self):
        self.end("provider")
        self.run("provider", self.command(), self.port)

    def run(self, name, command, port):
        """Starts a process, and waits until it listens."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                list(map(str, command)), env=self.env, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self.processes[name] = process
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                if process.poll() is not None:
                    break
                time.sleep(0.1)
        log = (self.folder / f"{name}.log").read_text(errors="replace")
        raise Failure(f"{name} does not start: {log[-500:]}")

    def end(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def close(self):
        for name in list(self.processes):
            self.end(name)
        self.recorder.close()

    def typed(self, person):
        """Texts for the inputs of the forms of the provider."""
        return {"name": person, "password": "password"}

    def metadata(self):
        """The metadata of the authorization server."""
        for known in ("oauth-authorization-server", "openid-configuration"):
            try:
                url = f"{self.url}/.well-known/{known}"
                with urllib.request.urlopen(url, timeout=30) as response:
                    return json.load(response)
            except urllib.error.HTTPError:
                continue
        raise Failure("no metadata")

    def path(self, url):
        return urlsplit(url).path

    def node(self, script, *arguments):
        return [self.components["node"], START / script, *arguments]

    def python(self, component, script, *arguments):
        return [f"{self.components[component]}/bin/python", START / script, *arguments]

    def npm_version(self, package):
        path = Path(self.components["node_modules"]) / package / "package.json"
        return f"{package} {json.loads(path.read_text())['version']}"

    def python_version(self, component, package):
        command = f"import importlib.metadata as m; print(m.version({package!r}))"
        python = f"{self.components[component]}/bin/python"
        return f"{package} {subprocess.check_output([python, '-c', command], text=True).strip()}"


class OidcProvider(Provider):
    """npm `oidc-provider` with an MCP server of ours."""

    name = "`oidc-provider`, public client"
    has_step_up = True
    keeps_state = True

    def command(self):
        clients = json.dumps(self.clients())
        state = self.folder / "state.json"
        return self.node("oidc-provider.mjs", self.port, self.url, state, self.lifetime, clients)

    def clients(self):
        return []

    def start(self):
        super().start()
        port = free_port()
        self.server = f"http://127.0.0.1:{port}/mcp"
        self.run("resource", self.resource(port), port)

    def jwks(self):
        return f"http://127.0.0.1:{self.port}/jwks"

    def resource(self, port):
        return self.python("py2", "resource.py", port, self.url, "jwks", self.jwks())

    def versions(self):
        return self.npm_version("oidc-provider")


class OidcProviderSecret(OidcProvider):
    """The same with a registered client, which has a secret."""

    name = "`oidc-provider`, client with a secret"
    client = ("gateway", SECRET)

    def clients(self):
        return [{
            "client_id": self.client[0],
            "client_secret": self.client[1],
            "redirect_uris": [self.callback],
            "grant_types": ["authorization_code", "refresh_token"],
        }]


class FastMcpVerifier(OidcProvider):
    """FastMCP that verifies JWTs of `oidc-provider`."""

    name = "FastMCP, JWT verifier"
    has_step_up = False

    def resource(self, port):
        url = f"http://127.0.0.1:{port}"
        arguments = [port, url, self.url, self.jwks(), "verifier"]
        return self.python("fastmcp", "fastmcp_verifier.py", *arguments)

    def versions(self):
        version = self.python_version("fastmcp", "fastmcp")
        return f"{version}, {self.npm_version('oidc-provider')}"


class FastMcpMemory(Provider):
    """FastMCP with its authorization server in memory."""

    name = "FastMCP, in memory"

    def command(self):
        return self.python("fastmcp", "fastmcp_memory.py", self.port, self.url, self.lifetime)

    def versions(self):
        return self.python_version("fastmcp", "fastmcp")


class FastMcpProxy(Provider):
    """FastMCP as the proxy of `oidc-provider`, with which one client is registered."""

    name = "FastMCP, OAuth proxy"
    keeps_state = True

    def start(self):
        self.upstream = free_port()
        issuer = f"http://127.0.0.1:{self.upstream}"
        clients = [{
            "client_id": "proxy",
            "client_secret": SECRET,
            "redirect_uris": [f"{self.url}/auth/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
        }]
        arguments = [self.upstream, issuer, self.folder / "state.json", self.lifetime]
        command = self.node("oidc-provider.mjs", *arguments, json.dumps(clients))
        self.run("upstream", command, self.upstream)
        super().start()

    def command(self):
        issuer = f"http://127.0.0.1:{self.upstream}"
        arguments = [self.port, self.url, issuer, f"{issuer}/jwks", "proxy"]
        arguments += ["proxy", SECRET, self.lifetime]
        return self.python("fastmcp", "fastmcp_verifier.py", *arguments)

    def versions(self):
        version = self.python_version("fastmcp", "fastmcp")
        return f"{version}, {self.npm_version('oidc-provider')}"


class PythonSdk(Provider):
    """The authorization server endpoints of the Python SDK."""

    name = "Python SDK"

    def command(self):
        return self.python("py2", "python_mcp.py", self.port, self.url, self.lifetime)

    def versions(self):
        return self.python_version("py2", "mcp")


class TypeScriptSdk(Provider):
    """`mcpAuthRouter` of the TypeScript SDK."""

    name = "TypeScript SDK, `mcpAuthRouter`"
    has_step_up = True

    def command(self):
        return self.node("mcp-auth-router.mjs", self.port, self.url, self.lifetime)

    def versions(self):
        return self.npm_version("@modelcontextprotocol/sdk")


class Canaille(OidcProvider):
    """canaille with an MCP server of ours.

    Its refresh tokens expire with their access tokens, so each refresh is ahead of time, and
    everybody has to call often. Public clients cannot revoke tokens: the endpoint answers 401.
    """

    name = "canaille"
    has_step_up = False
    lifetime = 32
    pause = 25
    ends_idle = True
    has_revocation = False
    package = Package("canaille[front,oidc,server,sqlite]", "0.3.6", "pypi", "-", "-", "-")

    def command(self):
        self.package.install(Tools())
        arguments = [self.port, self.url, self.folder, self.lifetime]
        return [self.package.bin / "python", START / "canaille_server.py", *arguments]

    def resource(self, port):
        userinfo = f"{self.url}/oauth/userinfo"
        return self.python("py2", "resource.py", port, self.url, "userinfo", userinfo)

    def versions(self):
        return f"canaille {self.package.version}"


class Zitadel(OidcProvider):
    """zitadel/oidc with an MCP server of ours."""

    name = "zitadel/oidc"
    client = ("gateway", SECRET)
    has_step_up = False
    keeps_state = False

    def command(self):
        users = {
            name: {"ID": name, "Username": name, "Password": "password"}
            for name in ("alice", "bob")
        }
        file = self.folder / "users.json"
        file.write_text(json.dumps(users))
        arguments = [file, self.callback, *self.client, self.lifetime]
        return [zitadel.program(), self.port, self.url, *arguments]

    def resource(self, port):
        userinfo = f"{self.url}/userinfo"
        return self.python("py2", "resource.py", port, self.url, "userinfo", userinfo)

    def versions(self):
        return f"zitadel/oidc {zitadel.VERSION.split('-')[0]}"


PROVIDERS = {
    "oidc-provider": OidcProvider,
    "oidc-provider-secret": OidcProviderSecret,
    "fastmcp-memory": FastMcpMemory,
    "fastmcp-proxy": FastMcpProxy,
    "fastmcp-verifier": FastMcpVerifier,
    "python-sdk": PythonSdk,
    "canaille": Canaille,
    "zitadel": Zitadel,
    "typescript-sdk": TypeScriptSdk,
}
