"""Records the requests of clients on their way to a gateway, without personal details."""

import json
import re
import socket
import threading
import time

# What differs from run to run, or is secret.
DROPPED = {"host", "content-length", "connection", "keep-alive", "cookie", "traceparent"}
SECRET = ["code", "code_verifier", "code_challenge", "state", "refresh_token", "client_id"]


class Relay:
    """Listens on a port of its own and forwards bytes; remembers those of the clients."""

    def __init__(self, target):
        self.target, self.chunks = target, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        number = 0
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.target()))
            except OSError:
                client.close()
                continue
            number += 1
            for source, sink, record in ((client, server, number), (server, client, None)):
                arguments = (source, sink, record)
                threading.Thread(target=self.copy, args=arguments, daemon=True).start()

    def copy(self, source, sink, record):
        try:
            while chunk := source.recv(65536):
                if record:
                    self.chunks.append((record, time.monotonic(), chunk))
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for one in (source, sink):
                try:
                    one.close()
                except OSError:
                    pass

    def requests(self):
        """The requests since the last call, in the order in which they began."""
        chunks, self.chunks = self.chunks, []
        streams = {}
        for number, at, chunk in chunks:
            stream = streams.setdefault(number, [bytearray(), []])
            stream[1].append((len(stream[0]), at))
            stream[0].extend(chunk)
        found = []
        for stream, times in streams.values():
            found += parsed(bytes(stream), times)
        return [request for _, request in sorted(found, key=lambda pair: pair[0])]


def parsed(stream, times):
    found, at = [], 0
    while (end := stream.find(b"\r\n\r\n", at)) >= 0:
        first, *lines = stream[at:end].decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = [line.split(":", 1) for line in lines]
        headers = {name.lower(): value.strip() for name, value in headers}
        began = max(moment for offset, moment in times if offset <= at)
        at = end + 4
        body, at = content(stream, at, headers)
        found.append((began, request(method, path, headers, body)))
    return found


def content(stream, at, headers):
    if headers.get("transfer-encoding") != "chunked":
        end = at + int(headers.get("content-length", 0))
        return stream[at:end], end
    body = b""
    while True:
        line = stream.find(b"\r\n", at)
        size = int(stream[at:line] or b"0", 16) if line > 0 else 0
        at = line + 2 + size + 2
        if not size:
            return body, at
        body += stream[line + 2 : line + 2 + size]


def request(method, path, headers, body):
    kept = {name: value for name, value in headers.items() if name not in DROPPED}
    kept.pop("transfer-encoding", None)
    if "authorization" in kept:
        kept["authorization"] = "Bearer {token}"
    if "mcp-session-id" in kept:
        kept["mcp-session-id"] = "{session}"
    found = {"method": method, "path": anonymous(path), "headers": kept}
    if body:
        text = anonymous(body.decode(errors="replace"))
        try:
            found["body"] = json.loads(text)
        except ValueError:
            found["body"] = text
    return found


def anonymous(text):
    """A text without what is personal, secret or different in each run."""
    for name in SECRET:
        # The URL of a metadata document is public.
        text = re.sub(rf"(^|[?&]){name}=(?!https)[^&]*", rf"\1{name}={{{name}}}", text)
    text = re.sub(r"(127\.0\.0\.1|localhost)(:|%3A)\d+", r"\1\g<2>1234", text, flags=re.I)
    text = re.sub(r'"(/[^"]*)?/home-[a-z0-9_]+', '"/home/user', text)
    return re.sub(r"file:///[^\"]*?/home-[a-z0-9_]+", "file:///home/user", text)
