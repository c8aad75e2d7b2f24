"""JSON-RPC over a child process or over Streamable HTTP, with time limits."""

import http.client
import json
import os
import selectors
import signal
import subprocess
import time


class Failure(Exception):
    """A server that did not answer as the protocol says, with the reason as its message."""


class RpcError(Failure):
    """An error response."""

    def __init__(self, error):
        super().__init__(f"{error.get('code')} {error.get('message')}")
        self.code = error.get("code")


def result_of(message):
    """The result of a response. Raises `RpcError` for an error response."""
    if "error" in message:
        raise RpcError(message["error"])
    if "result" not in message:
        raise Failure("response without result and error")
    return message["result"]


class Pipe:
    """A server as a child process. Messages are lines on its standard input and output."""

    def __init__(self, command, env, directory, stderr):
        self.buffer = b""
        self.last = 0
        self.process = subprocess.Popen(
            command,
            env=env,
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def send(self, message):
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failure("exited") from None

    def line(self, deadline):
        """The next line. Raises `Failure` at the end of the stream and at the deadline."""
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not self.selector.select(left):
                raise Failure("no response")
            part = os.read(self.process.stdout.fileno(), 1 << 20)
            if not part:
                raise Failure("exited")
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def answer(self, request):
        """Responds to a request of the server: a ping is accepted, all else is rejected."""
        response = {"jsonrpc": "2.0", "id": request["id"]}
        if request["method"] == "ping":
            response["result"] = {}
        else:
            response["error"] = {"code": -32601, "message": "Method not found"}
        self.send(response)

    def request(self, method, params, limit):
        """The result of a request. What is no JSON-RPC on standard output is skipped."""
        self.last += 1
        deadline = time.monotonic() + limit
        self.send({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params})
        while True:
            try:
                message = json.loads(self.line(deadline))
            except ValueError:
                continue
            if not isinstance(message, dict):
                continue
            if "method" in message:
                if "id" in message:
                    self.answer(message)
            elif message.get("id") == self.last:
                return result_of(message)

    def notify(self, method):
        self.send({"jsonrpc": "2.0", "method": method})

    def close(self):
        """Closes standard input, waits, and kills what is left of the process group."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdout.close()
        self.selector.close()


class Http:
    """A Streamable HTTP endpoint on this machine."""

    def __init__(self, port, headers=None):
        self.port, self.headers = port, headers or {}
        self.last = 0
        self.session = None
        self.version = None

    def post(self, message, headers, limit):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit)
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **self.headers,
            **headers,
        }
        if self.session:
            headers["mcp-session-id"] = self.session
        if self.version:
            headers["mcp-protocol-version"] = self.version
        try:
            connection.request("POST", "/mcp", json.dumps(message), headers)
            response = connection.getresponse()
            self.session = response.getheader("mcp-session-id") or self.session
            return response.status, response.getheader("content-type", ""), response.read()
        except TimeoutError:
            raise Failure("no response") from None
        finally:
            connection.close()

    def request(self, method, params, limit):
        self.last += 1
        message = {"jsonrpc": "2.0", "id": self.last, "method": method, "params": params}
        modern = {"mcp-method": method} if "_meta" in params else {}
        if modern and "name" in params:
            modern["mcp-name"] = params["name"]
        status, kind, body = self.post(message, modern, limit)
        if kind.startswith("text/event-stream"):
            for event in body.decode().split("\n\n"):
                data = "\n".join(l[5:].lstrip() for l in event.split("\n") if l.startswith("data:"))
                if data and json.loads(data).get("id") == self.last:
                    return result_of(json.loads(data))
            raise Failure("event stream without a response")
        try:
            return result_of(json.loads(body))
        except ValueError:
            raise Failure(f"HTTP status {status}") from None

    def notify(self, method):
        self.post({"jsonrpc": "2.0", "method": method}, {}, 10)

    def close(self):
        if self.session:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            connection.request("DELETE", "/mcp", headers={"mcp-session-id": self.session})
            connection.getresponse().read()
            connection.close()
