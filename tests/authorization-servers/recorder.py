"""A reverse proxy in front of an authorization server, which records requests and can be down."""

import contextlib
import http.client
import json
import socket
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "host")


class Exchange:
    """A request with a form, and its response."""

    def __init__(self, path, headers, form, status, answer):
        self.path, self.headers, self.form = path, headers, form
        self.status, self.answer = status, answer


class Recorder:
    """The proxy of `target`, a port of this machine, at the port `port`."""

    def __init__(self, port, target):
        self.port, self.target = port, target
        self.down, self.exchanges, self.registrations = False, [], 0
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def forward(self):
                recorder.forward(self)

            do_GET = do_POST = do_DELETE = do_OPTIONS = do_HEAD = forward

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def forward(self, handler):
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        try:
            if self.down:
                raise ConnectionRefusedError
            connection.putrequest(
                handler.command, handler.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in handler.headers.items():
                if name.lower() not in HOP_BY_HOP[:3]:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            self.reply(handler, response, body)
        except (OSError, http.client.HTTPException):
            handler.close_connection = True
            with contextlib.suppress(OSError):
                handler.connection.shutdown(socket.SHUT_RDWR)
        finally:
            connection.close()

    def reply(self, handler, response, body):
        handler.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in HOP_BY_HOP:
                handler.send_header(name, value)
        handler.end_headers()
        kind = handler.headers.get("content-type", "")
        is_form = kind.startswith("application/x-www-form-urlencoded")
        answer = b""
        while part := response.read1(65536):
            if is_form or response.status == 201:
                answer += part
            handler.wfile.write(part)
            handler.wfile.flush()
        if is_form:
            self.record(handler, response.status, body, answer)
        elif response.status == 201 and b"client_id" in answer:
            self.registrations += 1

    def record(self, handler, status, body, answer):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        try:
            answer = json.loads(answer)
        except ValueError:
            answer = {}
        path = urllib.parse.urlsplit(handler.path).path
        headers = dict(handler.headers.items())
        self.exchanges.append(Exchange(path, headers, form, status, answer))

    def refreshes(self):
        """The refreshes so far."""
        return [it for it in self.exchanges if it.form.get("grant_type") == "refresh_token"]

    def tokens(self):
        """The responses with tokens so far."""
        return [it for it in self.exchanges if "access_token" in it.answer]

    def post(self, path, headers, form):
        """Sends a form as a client has sent it, and returns the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        names = ("authorization", "content-type", "host")
        headers = {name: value for name, value in headers.items() if name.lower() in names}
        connection.request("POST", path, urllib.parse.urlencode(form), headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def close(self):
        self.server.shutdown()
        self.server.server_close()
