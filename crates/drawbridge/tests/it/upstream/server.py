"""An upstream MCP server for the tests of the gateway: honest until its state file says otherwise.

    python3 server.py [--http PORT [--port-file F] [--sse] [--sessions]] [--era legacy|modern|both]
                      [--state F] [--log F] [--data F] [--poison]

Transport: stdio, or with `--http` Streamable HTTP at /mcp on 127.0.0.1. Port 0 takes a free one; the first line on standard
error is `listening on http://127.0.0.1:PORT/mcp`. A POST is answered with JSON, or with an event stream when the server has
something to say before its answer or `--sse` is given. `--sessions` gives legacy clients an Mcp-Session-Id and demands it.

Eras: `initialize` (2025-06-18, 2025-11-25) and 2026-07-28. A request is modern when its `_meta` names a protocol version.
`--era legacy` answers `server/discover` with -32601, `--era modern` does so with `initialize`.

`--log F` gets one JSON line at the start, {"method": "start", "pid", "env", "cwd", "argv", "fds"}, and one for each message
received: {"method", "id", "params", "headers" and "path" (HTTP; lower-case names), "pid"}. A client's answer has the method
null and stands in `answer`; GET and DELETE are methods too. The server adds "cancelled" {"id"} when it stops work that was
cancelled or whose client went away, "listening" when changes would be told from here on, and "fork" {"pid", "session"}.

`--data F` keeps what the tools did: {"next": n, "keys": {...}, "sent": [...]}.

`--state F` is read again at every message and ten times a second:
    descriptions, schemas, output_schemas, annotations   {tool: new value}: definitions that change under the client
    add_tools [definition], remove_tools [name]          calling an added tool says `called NAME`
    prompt_descriptions {prompt: text}                   of prompts/list
    accept [header value]                                over HTTP any other Authorization is answered with 401
    page n                                               tools/list gives n at a time (resources always two)
    ttl_ms n, cache_scope "public"|"private"             of modern lists; 0 and "private" unless said
    notify true                                          each change of this file sends notifications/tools/list_changed
    misbehave {tool, prompt, uri or method: what}        see WAYS and HTTP_WAYS in misbehaviours.py, "status:N",
                                                         "refuse:N" (an error at once) or "error:N" (after it was done)
    listen_after s                                       how long a GET waits for its stream
    redirect_to url                                      where "redirect" leads
    start {"sleep": s, "die": true, "flap": n}           before anything is read; flap dies at the first n starts and counts
                                                         them in F.starts
    stubborn true                                        read at the start: ignores SIGTERM and the end of standard input
"""

import argparse
import contextlib
import fcntl
import json
import os
import signal
import sys
import threading
import time
import uuid

sys.dont_write_bytecode = True  # no __pycache__ in the repository
import misbehaviours  # noqa: E402
import offered  # noqa: E402
import transports  # noqa: E402
from offered import RpcError, notification  # noqa: E402
from transports import MODERN  # noqa: E402

LEGACY = ["2025-06-18", "2025-11-25"]
META = "io.modelcontextprotocol/"
INFO = {"name": "hostile-upstream", "version": "1.0.0"}
CAPABILITIES = {"tools": {"listChanged": True}, "resources": {}, "prompts": {}}
PAGE = 2


# The files.


class State:
    def __init__(self, path):
        self.path, self.lock, self.bytes, self.value = path, threading.Lock(), None, {}

    def read(self):
        """The state, and whether it is another than at the last reading. A half-written file waits for the next one."""
        with self.lock:
            now = self.contents()
            if now == self.bytes:
                return self.value, False
            try:
                self.value = json.loads(now)
            except ValueError:
                return self.value, False
            first, self.bytes = self.bytes is None, now
            return self.value, not first

    def contents(self):
        try:
            with open(self.path or os.devnull, "rb") as file:
                return file.read() if self.path else b"{}"
        except FileNotFoundError:
            return b"{}"


class Store:
    """The data of the tools, locked while they are used; other processes may share the file."""

    memory, lock = {"next": 0, "keys": {}, "sent": []}, threading.Lock()

    def __init__(self, path):
        self.file = open(path, "a+") if path else None

    def __enter__(self):
        self.lock.acquire()
        if self.file:
            fcntl.flock(self.file, fcntl.LOCK_EX)
            self.file.seek(0)
            self.before = self.file.read() or json.dumps(self.memory)
            self.data = json.loads(self.before)
        return self.data if self.file else self.memory

    def __exit__(self, *_):
        if self.file:
            if self.data != json.loads(self.before):  # what was only read keeps its time
                self.file.truncate(0)
                self.file.write(json.dumps(self.data))
            self.file.close()
        self.lock.release()


# The protocol.


class Server:
    def __init__(self, args):
        self.args, self.state = args, State(args.state)
        self.log_file = open(args.log, "a") if args.log else None
        self.lock = threading.Lock()
        self.running, self.asked, self.sessions = {}, {}, set()
        self.listeners = []  # (exchange, subscription id or None)

    def store(self):
        return Store(self.args.data)

    def log(self, entry):
        if self.log_file:
            with self.lock:
                self.log_file.write(json.dumps({**entry, "pid": os.getpid()}) + "\n")
                self.log_file.flush()

    def log_message(self, message, more):
        entry = {"method": message.get("method"), "id": message.get("id"), "params": message.get("params"), **more}
        if "method" not in message:
            entry["answer"] = message
        self.log(entry)

    def current(self):
        """The state of this moment. Tells the listeners when it has changed, once for each change."""
        state, changed = self.state.read()
        if changed and state.get("notify"):
            for exchange, subscription in list(self.listeners):
                meta = {} if subscription is None else {"_meta": {META + "subscriptionId": subscription}}
                try:
                    exchange.tell(notification("tools/list_changed", **meta))
                except OSError:
                    pass  # this listener is gone, and will notice
        return state

    def watch(self):
        while True:
            time.sleep(0.1)
            self.current()

    def misbehaves(self, message, exchange):
        """Whether the state wanted it, and then it is done."""
        state, params = self.current(), message.get("params") or {}
        ways = state.get("misbehave", {})
        what = ways.get(params.get("name")) or ways.get(params.get("uri")) or ways.get(message.get("method"))
        if what:
            work = lambda: self.work(message, exchange)  # noqa: E731
            misbehaviours.perform(what, misbehaviours.Fault(exchange, message, state, work, self.log))
        return bool(what)

    def receive(self, message, exchange):
        answer = self.work(message, exchange)
        if answer:
            exchange.answer(answer)
        else:
            exchange.accept()

    def work(self, message, exchange):
        """The honest answer; empty when none is due."""
        state = self.current()
        if "method" not in message:
            self.asked.pop(message.get("id"), {})["answer"] = message
            return {}
        if "id" not in message:
            self.notified(message, exchange)
            return {}
        head, running = {"jsonrpc": "2.0", "id": message["id"]}, (exchange.session, message["id"])
        try:
            modern = self.is_modern(message, exchange)
            call = offered.Call(self, exchange, message, modern, self.running.setdefault(running, threading.Event()))
            return {**head, "result": self.result(call, state)}
        except RpcError as error:
            return {**head, "error": error.error}
        except (KeyError, TypeError, AttributeError) as error:
            return {**head, "error": {"code": -32602, "message": f"the params are not right: {error!r}"}}
        except offered.Cancelled:
            self.log({"method": "cancelled", "params": {"id": message["id"]}})
            return {}
        finally:
            self.running.pop(running, None)

    def notified(self, message, exchange):
        if message["method"] == "notifications/cancelled":
            event = self.running.get((exchange.session, message["params"]["requestId"]))
            if event:
                event.set()

    def ask(self, exchange, method, params):
        """Sends a request to the client; its answer will stand in the dictionary that comes back."""
        number, asked = f"upstream-{uuid.uuid4().hex[:8]}", {}
        self.asked[number] = asked
        exchange.tell({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return asked

    def is_modern(self, message, exchange):
        meta = (message.get("params") or {}).get("_meta") or {}
        era, version = self.args.era, meta.get(META + "protocolVersion")
        if era == "legacy" or (era == "both" and version is None and message["method"] != "server/discover"):
            return False
        if era == "modern" and message["method"] == "initialize":
            raise RpcError(-32601, "this server has no initialize")
        if version is None or META + "clientCapabilities" not in meta:
            raise RpcError(-32602, "a request must carry its protocol version and client capabilities")
        if version != MODERN:
            raise RpcError(-32022, "unsupported protocol version", supported=[MODERN], requested=version)
        if exchange.http:
            transports.check_headers(message, exchange.headers, version)
        return True

    def result(self, call, state):
        method = call.message["method"]
        lists = method.endswith("/list") or method in ("server/discover", "resources/read")
        try:
            result = self.plain_result(call, method, state)
        except offered.InputRequired as needed:
            return needed.args[0]
        if not call.modern:
            return result
        result["_meta"] = {**result.get("_meta", {}), META + "serverInfo": INFO}
        if lists:
            result |= {"ttlMs": state.get("ttl_ms", 0), "cacheScope": state.get("cache_scope", "private")}
        return {"resultType": "complete", **result}

    def plain_result(self, call, method, state):
        params, cursor = call.params, call.params.get("cursor")
        if method == "initialize" and not call.modern:
            return self.initialize(call)
        if method == "ping" and not call.modern:
            return {}
        if method == "server/discover" and call.modern:
            return {"supportedVersions": [MODERN], "capabilities": CAPABILITIES, "instructions": "Be careful."}
        if method == "subscriptions/listen" and call.modern:
            return self.listen(call)
        if method == "tools/list":
            every = offered.tools(state, self.args.poison)
            return offered.page("tools", every, cursor, state.get("page", len(every)))
        if method == "tools/call":
            return self.call_tool(call, state)
        if method == "resources/list":
            return offered.page("resources", offered.RESOURCES, cursor, PAGE)
        if method == "resources/templates/list":
            return offered.page("resourceTemplates", offered.TEMPLATES, cursor, PAGE)
        if method == "resources/read":
            return offered.read_resource(params["uri"])
        if method == "prompts/list":
            return offered.page("prompts", offered.prompts(state), cursor, PAGE)
        if method == "prompts/get":
            return offered.get_prompt(params)
        raise RpcError(-32601, f"no such method: {method}")

    def initialize(self, call):
        wanted = call.params.get("protocolVersion")
        if not call.exchange.http:
            self.listeners = [(call.exchange, None)]
        elif self.args.sessions:
            call.exchange.session = uuid.uuid4().hex
            self.sessions.add(call.exchange.session)
        version = wanted if wanted in LEGACY else LEGACY[-1]
        return {"protocolVersion": version, "capabilities": CAPABILITIES, "serverInfo": INFO, "instructions": "Be careful."}

    def call_tool(self, call, state):
        name = call.params["name"]
        if name not in [each.get("name") for each in offered.tools(state, self.args.poison)]:
            raise RpcError(-32602, f"no such tool: {name}")
        return offered.CALLS[name](call) if name in offered.CALLS else offered.says(f"called {name}")

    def listen(self, call):
        meta, wanted = {META + "subscriptionId": call.message["id"]}, call.params["notifications"]
        heard = {"toolsListChanged": True} if wanted.get("toolsListChanged") else {}
        call.exchange.tell(notification("subscriptions/acknowledged", notifications=heard, _meta=meta))
        with self.listening(call.exchange, call.message["id"]) if heard else contextlib.nullcontext():
            while True:
                call.pause(0.1)

    @contextlib.contextmanager
    def listening(self, exchange, subscription):
        self.listeners.append((exchange, subscription))
        self.log({"method": "listening"})
        try:
            yield
        finally:
            self.listeners.remove((exchange, subscription))


# The process.


def open_fds():
    def is_open(fd):
        try:
            return bool(os.fstat(fd))
        except OSError:
            return False

    return [fd for fd in range(1024) if is_open(fd)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--era", choices=["legacy", "modern", "both"], default="both")
    parser.add_argument("--http", type=int)
    for flag in ("--port-file", "--state", "--log", "--data"):
        parser.add_argument(flag)
    for flag in ("--sse", "--sessions", "--poison"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_args()


def main():
    fds, args = open_fds(), arguments()
    server = Server(args)
    server.log({"method": "start", "env": dict(os.environ), "cwd": os.getcwd(), "argv": sys.argv, "fds": fds})
    state = server.current()
    stubborn = state.get("stubborn", False)
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    misbehaviours.start(state.get("start", {}), args.state)
    if args.state:
        threading.Thread(target=server.watch, daemon=True).start()
    if args.http is None:
        transports.serve_stdio(server, stubborn)
    else:
        transports.serve_http(server, args)


if __name__ == "__main__":
    main()
