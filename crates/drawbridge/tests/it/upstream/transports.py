"""How the hostile upstream of `server.py` is reached: standard input and output, or Streamable HTTP."""

import base64
import http.server
import json
import os
import select
import socket
import socketserver
import sys
import threading
import time

from offered import RpcError

MODERN = "2026-07-28"
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
STATUS = {-32700: 400, -32600: 400, -32602: 400, -32020: 400, -32022: 400, -32601: 404}


# An exchange carries one message and what is said about it.


class StdioExchange:
    http, headers, session, lock = False, None, None, threading.Lock()

    def tell(self, message):
        self.stream([encoded(message)])

    answer = tell

    def accept(self):
        """Nothing is said about a notification."""

    def stream(self, chunks, length=None, whole=True):
        """Writes one message in pieces; without its end unless `whole`. The length is for HTTP."""
        with self.lock:
            for chunk in chunks:
                self.write(chunk)
            if whole:
                self.write(b"\n")

    def write(self, data):
        while data:
            try:
                data = data[os.write(1, data) :]
            except BrokenPipeError:
                os._exit(0)

    def gone(self):
        return False

    def hold(self):
        threading.Event().wait()


class HttpExchange:
    http = True

    def __init__(self, handler, server):
        self.handler, self.server, self.always_events, self.began = handler, server, server.args.sse, False
        self.headers = {}
        for name, value in handler.headers.items():
            name = name.lower()
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        self.session = self.headers.get("mcp-session-id")
        self.lock = threading.Lock()

    def respond(self, status, headers, body=b""):
        self.write(self.head(status, {**headers, "Content-Length": len(body)}) + body)

    def head(self, status, headers):
        if self.session in self.server.sessions:
            headers = {**headers, "Mcp-Session-Id": self.session}
        if "Content-Length" not in headers:
            headers["Connection"] = "close"
            self.handler.close_connection = True
        lines = [f"HTTP/1.1 {status} {http.server.BaseHTTPRequestHandler.responses.get(status, ('Odd',))[0]}"]
        return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()

    def begin_events(self):
        if not self.began:
            self.began = True
            self.write(self.head(200, {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}))

    def tell(self, message):
        with self.lock:
            self.begin_events()
            self.write(b"event: message\ndata: " + encoded(message) + b"\n\n")

    def answer(self, message):
        status = 200
        modern = self.server.args.era != "legacy" and self.headers.get("mcp-protocol-version") == MODERN
        if modern and "error" in message:
            status = STATUS.get(message["error"]["code"], 200)
        if self.began or (self.always_events and status == 200):
            return self.tell(message)
        self.respond(status, {"Content-Type": "application/json"}, encoded(message))

    def accept(self):
        if not self.began:
            self.respond(202, {})

    def stream(self, chunks, length=None, whole=True):
        """One message in pieces: an event, or a body that promises `length`; without its end unless `whole`."""
        if self.always_events:
            self.begin_events()
            self.write(b"data: ")
        else:
            promise = {} if length is None else {"Content-Length": length}
            self.write(self.head(200, {"Content-Type": "application/json", **promise}))
        for chunk in chunks:
            self.write(chunk)
        if self.always_events and whole:
            self.write(b"\n\n")
        self.handler.close_connection = True

    def write(self, data):
        self.handler.wfile.write(data)

    def gone(self):
        connection = self.handler.connection
        try:
            return bool(select.select([connection], [], [], 0)[0]) and not connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def hold(self):
        while not self.gone():
            time.sleep(0.1)


def encoded(message):
    """As UTF-8 and not escaped, so that odd characters travel as they are; half a surrogate pair stays an escape."""
    return json.dumps(message, ensure_ascii=False).encode(errors="backslashreplace")


# Standard input and output.


def serve_stdio(server, stubborn):
    for line in sys.stdin.buffer:
        if line.strip():
            take_line(server, line)
    if stubborn:
        threading.Event().wait()
    os._exit(0)  # with whatever still runs


def take_line(server, line):
    exchange = StdioExchange()
    message, error = parse(line)
    server.log_message(message, {})
    if error:
        exchange.answer(error)
    elif "id" in message and "method" in message:
        server.running[None, message["id"]] = threading.Event()  # before a cancellation can come
        threading.Thread(target=take, args=(server, message, exchange), daemon=True).start()
    else:
        take(server, message, exchange)


def take(server, message, exchange):
    if not server.misbehaves(message, exchange):
        server.receive(message, exchange)


def parse(data):
    try:
        message = json.loads(data)
    except ValueError:
        return {"params": repr(data)}, failure(-32700, "not JSON")
    if not isinstance(message, dict):
        return {"params": message}, failure(-32600, "not one message")
    return message, None


def failure(code, text):
    return {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": text}}


# HTTP.


def check_headers(message, headers, version):
    wanted = {"mcp-protocol-version": version, "mcp-method": message["method"]}
    if message["method"] in NAMED_BY:
        wanted["mcp-name"] = message["params"][NAMED_BY[message["method"]]]
    for name, value in wanted.items():
        given = headers.get(name, "")
        if given.startswith("=?base64?"):
            given = base64.b64decode(given.removeprefix("=?base64?").removesuffix("?=")).decode()
        if given != value:
            raise RpcError(-32020, f"the header {name} is not what the body says")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        message, error = parse(self.rfile.read(int(self.headers.get("content-length", 0))))
        exchange = self.exchange(message)
        accepted = self.server.mcp.current().get("accept")
        if error:
            exchange.answer(error)
        elif accepted is not None and exchange.headers.get("authorization") not in accepted:
            exchange.respond(401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        elif not self.server.mcp.misbehaves(message, exchange) and self.session_is_good(exchange, message):
            self.server.mcp.receive(message, exchange)

    def do_GET(self):
        message, mcp = {"method": "GET"}, self.server.mcp
        exchange = self.exchange(message)
        if mcp.misbehaves(message, exchange) or not self.session_is_good(exchange, message):
            return
        if mcp.args.era == "modern":
            return exchange.respond(405, {"Allow": "POST"})
        time.sleep(mcp.current().get("listen_after", 0))
        exchange.begin_events()
        with mcp.listening(exchange, None):
            exchange.hold()

    def do_DELETE(self):
        message, mcp = {"method": "DELETE"}, self.server.mcp
        exchange = self.exchange(message)
        if mcp.misbehaves(message, exchange) or not self.session_is_good(exchange, message):
            return
        mcp.sessions.discard(exchange.session)
        exchange.respond(200 if mcp.args.sessions else 405, {})

    def exchange(self, message):
        exchange = HttpExchange(self, self.server.mcp)
        self.server.mcp.log_message(message, {"headers": exchange.headers, "path": self.path})
        return exchange

    def session_is_good(self, exchange, message):
        """Whether the request may go on; else it is refused."""
        mcp = self.server.mcp
        free = message.get("method") in ("initialize", "server/discover")
        if free or not mcp.args.sessions or exchange.headers.get("mcp-protocol-version") == MODERN:
            return True
        if exchange.session in mcp.sessions:
            return True
        refused = failure(-32000, "no such session" if exchange.session else "a session is needed")
        exchange.respond(404 if exchange.session else 400, {"Content-Type": "application/json"}, json.dumps(refused).encode())
        return False

    def log_message(self, *_):
        """Standard error belongs to the first line and to the misbehaviours."""


class HttpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError):  # clients of a hostile server often hang up
            super().handle_error(request, client_address)


def serve_http(server, args):
    with HttpServer(("127.0.0.1", args.http), Handler) as web:
        web.mcp, port = server, web.server_address[1]
        if args.port_file:
            with open(args.port_file + ".new", "w") as file:
                file.write(str(port))
            os.rename(args.port_file + ".new", args.port_file)
        print(f"listening on http://127.0.0.1:{port}/mcp", file=sys.stderr, flush=True)
        web.serve_forever()
