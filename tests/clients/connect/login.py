"""Logs real clients in to a gateway. A script plays the browser."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# Programs that clients open a browser with.
OPENERS = ["xdg-open", "open", "gio", "x-www-browser", "sensible-browser", "www-browser", "firefox"]
# A document as its publisher serves it: what the gateway reads of it.
DOCUMENTS = {
    "https://claude.ai/oauth/claude-code-client-metadata": (
        "Claude Code",
        ["http://localhost/callback", "http://127.0.0.1/callback"],
    ),
    "https://chatgpt.com/oauth/codex/client.json": (
        "Codex",
        ["http://127.0.0.1/callback", "http://localhost/callback"],
    ),
    "https://github.com/copilot/cli/client-metadata.json": (
        "GitHub Copilot CLI",
        ["http://127.0.0.1/callback", "http://127.0.0.1/", "http://localhost/callback"],
    ),
}


def documents(folder):
    """Writes the documents as files by host and path."""
    for url, (name, redirect_uris) in DOCUMENTS.items():
        path = folder / url.removeprefix("https://")
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "client_id": url,
            "client_name": name,
            "redirect_uris": redirect_uris,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        path.write_text(json.dumps(document))


class Person:
    """The user of a client, and the browser that the client opens."""

    def __init__(self, home, password):
        self.log = home / "browser.log"
        self.bin = home / "bin"
        self.bin.mkdir()
        for name in OPENERS:
            shutil.copy(FOLDER / "browser.py", self.bin / name)
        self.environment = {
            "BROWSER": str(self.bin / "xdg-open"),
            "BROWSER_LOG": str(self.log),
            "DISPLAY": ":0",
            "USER_NAME": "admin",
            "USER_PASSWORD": password,
        }

    def visits(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


def terminal(case, command, until=None, typed=(), limit=60, printed=None):
    """The output of a command that wants a terminal; `typed` are texts with the time before each.

    The user opens the URL that the command prints after `printed`.
    """
    process, master = pty.fork()
    if process == 0:
        os.chdir(case.cwd)
        os.execvpe("bash", ["bash", "-c", f"stty cols 200 rows 50; {command}"], case.env)
    output, start, typed = b"", time.monotonic(), list(typed)
    wait = start + typed[0][0] if typed else None
    ended = None
    while time.monotonic() < start + limit:
        if typed and time.monotonic() >= wait:
            os.write(master, typed.pop(0)[1].encode())
            wait = time.monotonic() + typed[0][0] if typed else None
        if select.select([master], [], [], 0.2)[0]:
            try:
                chunk = os.read(master, 65536)
            except OSError:
                break
            if not chunk:
                break
            output += chunk
            if printed and (found := re.search(printed + rb"[^h]*(http[^\s\x00-\x1f]+)[\s\x00-\x1f]", output)):
                printed = None
                url = found[1].decode()
                subprocess.Popen([case.person.bin / "xdg-open", url], env=case.env)
        if until and ended is None and until():
            ended = time.monotonic()
        if ended and time.monotonic() > ended + 5:
            break
    os.kill(process, 9)
    os.waitpid(process, 0)
    os.close(master)
    text = re.sub(r"\x1b(\[[0-9;?<>=]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9])", "", output.decode(errors="replace"))
    return re.sub(r"\r", "\n", text)


def claude_code(case):
    case.shell(case.command("claude mcp add"))
    said = terminal(case, "claude mcp login mcp-gateway", limit=45)
    return case.shell("claude mcp list") + said


def codex(case, status):
    said = case.shell(case.command("codex mcp add"))
    return status(case) + said


def copilot_cli(case):
    case.shell(case.command("copilot mcp add"))
    # It has no command for that: it logs in when its user interface starts.
    return terminal(case, "copilot", until=case.person.visits, limit=60)


def opencode(case):
    case.file(".config/opencode/opencode.json")
    said = terminal(case, "opencode mcp auth mcp-gateway", limit=45)
    return case.shell("opencode mcp list") + said


def inspector(case):
    command = case.command("npx").replace("npx @modelcontextprotocol/inspector", "mcp-inspector")
    return terminal(case, command, limit=60, printed=b"navigate to:")


def mcp_remote(case, play):
    case.file("mcp.json")
    # It is a program between a client and the gateway: once alone, then with a client.
    url = f"http://127.0.0.1:{case.port}/mcp"
    command = f"mcp-remote {url} --allow-http"
    said = terminal(case, command, until=case.person.visits, printed=b"visiting:")
    return play(case) + said


def mcporter(case):
    for line in ("mcporter config add", "mcporter auth"):
        said = case.shell(case.command(line))
    return case.shell(case.command("mcporter list")) + said


def fastmcp(case):
    return case.shell(case.command("fastmcp"))


def in_interface(case, program):
    """A client that logs in by a command of its user interface."""
    case.env |= {"GEMINI_API_KEY": "none", "OPENAI_API_KEY": "none", "OPENAI_MODEL": "none"}
    case.env["OPENAI_BASE_URL"] = "http://127.0.0.1:9/v1"
    typed = [(12, "/mcp auth mcp-gateway"), (2, "\r"), (3, "\r")]
    return terminal(case, program, until=case.person.visits, typed=typed, limit=60)


def gemini_cli(case):
    settings = case.home / ".gemini/settings.json"
    settings.write_text(json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}}))
    case.shell(case.command("gemini mcp add"))
    return in_interface(case, "gemini")


def qwen_code(case):
    case.file(".qwen/settings.json")
    path = case.home / ".qwen/settings.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | {"security": {"auth": {"selectedType": "openai"}}}))
    return in_interface(case, "qwen")
