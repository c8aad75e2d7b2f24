"""Packages and the tools to install them, each in a folder of its own below the cache."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("MCP_GATEWAY_TEST_CACHE", Path.home() / ".cache/mcp-gateway-tests"))
NODE, UV = "24.21.0", "0.13.9"
ARCHITECTURE = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), "x64")
# Installation alone: what a package downloads besides its dependencies cannot be pinned.
NPM = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
# What a server is built with, in the order of preference.
NPM_SDKS = [
    "fastmcp",
    "firecrawl-fastmcp",
    "mcp-framework",
    "xmcp",
    "mcp-use",
    "tmcp",
    "@sylphx/mcp-server-sdk",
    "@effect/ai",
    "@modelcontextprotocol/server",
    "@modelcontextprotocol/sdk",
]
PYTHON_SDKS = ["fastmcp", "fastmcp_slim", "mcp"]
BINARY_SDKS = [
    (re.compile(rb"/rmcp-(\d+\.\d+\.\d+[-.a-z0-9]*)/src"), "rmcp"),
    (re.compile(rb"rust-mcp-sdk-(\d+\.\d+\.\d+)"), "rust-mcp-sdk"),
    (re.compile(rb"github\.com/modelcontextprotocol/go-sdk@v(\d+\.\d+\.\d+)"), "go-sdk"),
    (re.compile(rb"modelcontextprotocol/go-sdk\tv(\d+\.\d+\.\d+)"), "go-sdk"),
    (re.compile(rb"mark3labs/mcp-go[@\t]v(\d+\.\d+\.\d+)"), "mcp-go"),
    (re.compile(rb"metoro-io/mcp-golang[@\t]v(\d+\.\d+\.\d+)"), "mcp-golang"),
]
SCRIPTS_SIZE = 1 << 20


class InstallError(Exception):
    """A package that could not be installed, with the last line of the installer."""


def call(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, **options)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        raise InstallError(said[-1])
    return done.stdout


def whole(final, install):
    """Runs `install` on a folder that has its final name only when it is complete."""
    if final.is_dir():
        return final
    shutil.rmtree(final.with_suffix(".partial"), ignore_errors=True)
    partial = final.with_suffix(".partial")
    partial.mkdir(parents=True)
    try:
        install(partial)
    except Exception:
        shutil.rmtree(partial)
        raise
    partial.rename(final)
    return final


class Tools:
    """Node.js and uv, at fixed versions."""

    def __init__(self):
        self.folder = whole(CACHE / f"servers-tools-{NODE}-{UV}", self.install)
        self.node = self.folder / f"node_modules/node-linux-{ARCHITECTURE}/bin"
        self.path = f"{self.node}:{os.environ['PATH']}"

    def install(self, folder):
        call([*NPM, "--prefix", folder, f"node-linux-{ARCHITECTURE}@{NODE}"])
        call([sys.executable, "-m", "pip", "install", "--quiet", "--target", folder / "uv", f"uv=={UV}"])

    def uv(self, *arguments):
        authorities = os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt")
        env = {**os.environ, "SSL_CERT_FILE": authorities}
        return call([self.folder / "uv/bin/uv", *arguments], env=env)


class Package:
    """A line of packages.tsv."""

    def __init__(self, name, version, registry, extra, command, env):
        self.name, self.version, self.registry = name, version, registry
        self.extra = [] if extra == "-" else extra.split()
        self.command = command.split()
        self.env = {} if env == "-" else dict(pair.split("=", 1) for pair in env.split())
        what = json.dumps([name, version, registry, self.extra])
        key = hashlib.sha256(what.encode()).hexdigest()[:8]
        self.slug = f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}-{key}"
        self.folder = CACHE / f"servers-{registry}-{self.slug}"

    def install(self, tools):
        whole(self.folder, lambda folder: getattr(self, "install_" + self.registry)(folder, tools))

    def install_npm(self, folder, tools):
        env = {**os.environ, "PATH": tools.path}
        call([*NPM, "--prefix", folder, f"{self.name}@{self.version}", *self.extra], env=env)

    def install_pypi(self, folder, tools):
        # Scripts name their interpreter by its path: they are made for the final one.
        tools.uv("venv", "--quiet", "--relocatable", "--allow-existing", folder)
        tools.uv(
            *["pip", "install", "--quiet", "--python", folder / "bin/python"],
            *[f"{self.name}=={self.version}", *self.extra],
        )

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def bin(self):
        return self.folder / ("node_modules/.bin" if self.registry == "npm" else "bin")

    def sdk(self):
        """The SDK of the server, with its version."""
        if self.registry == "npm":
            found = next(filter(None, map(self.npm_version, NPM_SDKS)), None)
        else:
            found = next(filter(None, map(self.python_version, PYTHON_SDKS)), None)
        return found or self.binary_sdk() or "bundled"

    def npm_version(self, sdk):
        nested = self.folder / "node_modules" / self.name / "node_modules" / sdk / "package.json"
        for path in (nested, self.folder / "node_modules" / sdk / "package.json"):
            if path.exists():
                short = {"@modelcontextprotocol/sdk": "TypeScript"}.get(sdk, sdk)
                return f"{short} {json.loads(path.read_text())['version']}"
        return None

    def python_version(self, sdk):
        for path in self.folder.glob(f"lib/python*/site-packages/{sdk}-*.dist-info"):
            short = {"mcp": "Python", "fastmcp": "FastMCP", "fastmcp_slim": "FastMCP"}[sdk]
            return f"{short} {path.name.removesuffix('.dist-info').split('-')[-1]}"
        return None

    def binary_sdk(self):
        for path in self.folder.rglob("*"):
            if path.is_symlink() or not path.is_file() or path.stat().st_size < SCRIPTS_SIZE:
                continue
            with path.open("rb") as file:
                if file.read(4) != b"\x7fELF":
                    continue
                content = file.read()
            for pattern, sdk in BINARY_SDKS:
                if found := pattern.search(content):
                    return f"{sdk} {found[1].decode()}"
        return None

    def arguments(self, scratch):
        program, *arguments = self.command
        program = self.bin / (self.own_program() if program == "-" else program)
        if not program.exists():
            raise InstallError(f"no program {program.name}")
        return [str(program), *(a.replace("{dir}", str(scratch)) for a in arguments)]

    def own_program(self):
        """The program that npx and uvx run: the only one, or that with the name of the package."""
        if self.registry == "npm":
            manifest = self.folder / "node_modules" / self.name / "package.json"
            found = json.loads(manifest.read_text()).get("bin")
            if isinstance(found, dict) and len(found) == 1:
                return next(iter(found))
        return self.name.split("/")[-1]

    def environment(self, scratch, tools):
        base = {"PATH": f"{self.bin}:{tools.path}", "HOME": str(scratch), "LANG": "C.UTF-8"}
        return base | {k: v.replace("{dir}", str(scratch)) for k, v in self.env.items()}


def packages(table):
    """The packages of packages.tsv."""
    lines = [l for l in table.read_text().splitlines() if l and not l.startswith("#")]
    return [Package(*line.split("\t")) for line in lines[1:]]


def scratch():
    """An empty folder for the files of one run."""
    return Path(tempfile.mkdtemp(prefix="mcp-server-"))
