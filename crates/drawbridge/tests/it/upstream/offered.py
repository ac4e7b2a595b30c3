"""What the hostile upstream of `server.py` offers while it is honest: tools, resources and prompts."""

import json
import time

import misbehaviours

REQUEST_STATE = "state-of-the-upstream"
ANSWER_SECONDS = 60


class RpcError(Exception):
    def __init__(self, code, message, **data):
        super().__init__(message)
        self.error = {"code": code, "message": message, **({"data": data} if data else {})}


class InputRequired(Exception):
    """A modern server may not ask; it answers that it needs something."""


class Cancelled(Exception):
    pass


def notification(name, **params):
    return {"jsonrpc": "2.0", "method": f"notifications/{name}", "params": params}


# Tools.


def tool(name, description, inputs=None, required=None, output=None, **annotations):
    inputs = inputs or {}
    required = list(inputs) if required is None else required
    definition = {"name": name, "title": name.capitalize(), "description": description}
    definition["inputSchema"] = {"type": "object", "properties": inputs, "required": required}
    if output:
        definition["outputSchema"] = {"type": "object", "properties": output, "required": list(output)}
    if annotations:
        definition["annotations"] = annotations
    return definition


TEXT, NUMBER = {"type": "string"}, {"type": "number"}
ROW = {"type": "object", "properties": {name: TEXT for name in ("customer", "name", "email", "secret", "region")}}
TOOLS = [
    tool("echo", "Says the text again.", {"text": TEXT, "extra": {}}, ["text"], {"text": TEXT}, readOnlyHint=True),
    tool("records", "The records of a customer, or of all with `*`.", {"customer": TEXT, "limit": {"type": "integer"}},
         ["customer"], {"rows": {"type": "array", "items": ROW}}, readOnlyHint=True),
    tool("put", "Keeps a value.", {"key": TEXT, "value": {}}, output={"id": {"type": "integer"}, "previous": {}},
         readOnlyHint=False, destructiveHint=True, idempotentHint=True),
    tool("get", "The value of a key.", {"key": TEXT}, output={"value": {}}, readOnlyHint=True),
    tool("remove", "Removes a key.", {"key": TEXT}, output={"removed": {}}, destructiveHint=True),
    tool("send", "Sends a message.", {"to": TEXT, "subject": TEXT, "body": TEXT}, output={"message_id": TEXT},
         readOnlyHint=False, openWorldHint=True),
    tool("slow", "Sleeps, and reports progress.", {"seconds": NUMBER}),
    tool("big", "A text of so many bytes.", {"bytes": {"type": "integer"}}),
    tool("image", "One block of each kind that is no text."),
    tool("ask", "Asks the user for a name, or to open a url.", {"message": TEXT, "url": TEXT}, []),
    tool("sample", "Asks the client's model."),
    tool("roots", "Asks for the client's roots."),
    tool("fail", "Fails with a result."),
    tool("broken", "Fails with an error."),
    tool("invalid", "Finds its arguments invalid."),
]  # fmt: skip
CUSTOMERS = [
    ("acme", "Ada", "ada@acme.example", "secret-of-acme", "eu"),
    ("bolt", "Bob", "bob@bolt.example", "secret-of-bolt", "us"),
    ("cargo", "Cyd", "cyd@cargo.example", "secret-of-cargo", "eu"),
    ("delta", "Dan", "dan@delta.example", "secret-of-delta", "asia"),
    ("ember", "Eve", "eve@ember.example", "secret-of-ember", "us"),
]
ROWS = [dict(zip(ROW["properties"], customer)) for customer in CUSTOMERS]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="


def says(text, **more):
    return {"content": [{"type": "text", "text": text}], **more}


def structured(value):
    return says(json.dumps(value, ensure_ascii=False), structuredContent=value)


def echo(call):
    """Unknown fields at every level show whether they survive the way."""
    text = call.arguments["text"]
    result = says(text, structuredContent=dict(call.arguments), x_unknown="result", _meta={"vendor/key": 1})
    result["content"][0] |= {"x_unknown": "content", "_meta": {"vendor/key": 1}}
    return result


def records(call):
    wanted = call.arguments["customer"]
    rows = [row for row in ROWS if wanted in ("*", row["customer"])]
    return structured({"rows": rows[: call.arguments.get("limit", len(rows))]})


def put(call):
    with call.server.store() as data:
        previous = data["keys"].get(call.arguments["key"])
        data["keys"][call.arguments["key"]] = call.arguments["value"]
        data["next"] += 1
        return structured({"id": data["next"], "previous": previous})


def get(call):
    with call.server.store() as data:
        if call.arguments["key"] not in data["keys"]:
            return says("no such key", isError=True)
        return structured({"value": data["keys"][call.arguments["key"]]})


def remove(call):
    with call.server.store() as data:
        if call.arguments["key"] not in data["keys"]:
            return says("no such key", isError=True)
        return structured({"removed": data["keys"].pop(call.arguments["key"])})


def send(call):
    message = {name: call.arguments[name] for name in ("to", "subject", "body")}
    with call.server.store() as data:
        data["next"] += 1
        message_id = f"message-{data['next']}"
        data["sent"].append({"message_id": message_id, **message})
    return structured({"message_id": message_id})


def slow(call):
    seconds, start = call.arguments["seconds"], time.monotonic()
    while (passed := time.monotonic() - start) < seconds:
        call.progress(passed, seconds)
        call.pause(min(0.2, seconds - passed))
    return says(f"slept {seconds} seconds")


def big(call):
    return says("b" * call.arguments["bytes"])


def image(_):
    embedded = {"uri": "demo://embedded/1", "mimeType": "text/plain", "text": "an embedded text"}
    blob = {"uri": "demo://embedded/2", "mimeType": "image/png", "blob": PIXEL}
    return {"content": [
        {"type": "image", "data": PIXEL, "mimeType": "image/png"},
        {"type": "audio", "data": SILENCE, "mimeType": "audio/wav"},
        {"type": "resource_link", "uri": "demo://public/1", "name": "public 1", "mimeType": "text/plain"},
        {"type": "resource", "resource": embedded},
        {"type": "resource", "resource": blob},
    ]}  # fmt: skip


def ask(call):
    params = {"message": call.arguments.get("message", "What is your name?")}
    if "url" in call.arguments:
        params |= {"mode": "url", "url": call.arguments["url"]} | ({} if call.modern else {"elicitationId": "e-1"})
    else:
        params["requestedSchema"] = {"type": "object", "properties": {"name": TEXT}, "required": ["name"]}
    return told(call.ask_client("elicitation/create", params))


def sample(call):
    question = {"role": "user", "content": {"type": "text", "text": "What is the secret word?"}}
    return told(call.ask_client("sampling/createMessage", {"messages": [question], "maxTokens": 100}))


def roots(call):
    return told(call.ask_client("roots/list", {}))


def told(answer):
    refused = "error" in answer or answer.get("result", {}).get("action", "accept") != "accept"
    return says(f"the client {'refused' if refused else 'answered'}: {json.dumps(answer)}", isError=refused)


def fail(_):
    return says("it failed", isError=True)


def broken(_):
    raise RpcError(-32603, "database at 10.0.0.5 said SECRET-IN-ERROR", trace="SECRET-IN-ERROR")


def invalid(_):
    raise RpcError(-32602, "the arguments are invalid")


CALLS = {each.__name__: each for each in (
    echo, records, put, get, remove, send, slow, big, image, ask, sample, roots, fail, broken, invalid
)}  # fmt: skip


class Call:
    """What a tool may see and do while it runs."""

    def __init__(self, server, exchange, message, modern, running):
        self.server, self.exchange, self.message, self.modern, self.running = server, exchange, message, modern, running
        self.params = message.get("params") or {}
        self.arguments = self.params.get("arguments") or {}

    def progress(self, done, total):
        token = (self.params.get("_meta") or {}).get("progressToken")
        if token is not None:
            self.exchange.tell(notification("progress", progressToken=token, progress=done, total=total))

    def pause(self, seconds):
        if self.running.wait(seconds) or self.exchange.gone():
            raise Cancelled

    def ask_client(self, method, params):
        """The client's answer, {"result"} or {"error"}. Asks whether or not the client said that it can be asked."""
        if self.modern:
            return self.ask_modern(method, params)
        asked, deadline = self.server.ask(self.exchange, method, params), time.monotonic() + ANSWER_SECONDS
        while "answer" not in asked and time.monotonic() < deadline:
            self.pause(0.02)
        answer = asked.get("answer", {"error": "no answer came"})
        return {name: answer[name] for name in ("result", "error") if name in answer}

    def ask_modern(self, method, params):
        if "inputResponses" not in self.params:
            needed = {"answer": {"method": method, "params": params}}
            raise InputRequired({"resultType": "input_required", "inputRequests": needed, "requestState": REQUEST_STATE})
        if self.params.get("requestState") != REQUEST_STATE:
            raise RpcError(-32602, "requestState did not come back as it was")
        response = self.params["inputResponses"].get("answer", {"code": 0, "message": "no answer came"})
        return {"error": response} if "code" in response else {"result": response}


# Resources and prompts.


RESOURCES = [
    *({"uri": f"demo://public/{n}", "name": f"public {n}", "mimeType": "text/plain"} for n in (1, 2, 3)),
    {"uri": "demo://secret/1", "name": "secret 1", "mimeType": "text/plain"},
    {"uri": "demo://blob/1", "name": "blob 1", "mimeType": "image/png"},
]
TEMPLATES = [{"uriTemplate": "demo://item/{id}", "name": "item", "mimeType": "text/plain"}]
PROMPTS = [
    {"name": "greet", "description": "Greets somebody.", "arguments": [{"name": "name", "required": True}]},
    {"name": "plain", "description": "Needs nothing."},
]


def read_resource(uri):
    if uri == "demo://blob/1":
        return {"contents": [{"uri": uri, "mimeType": "image/png", "blob": PIXEL}]}
    if uri not in [resource["uri"] for resource in RESOURCES] and not uri.startswith("demo://item/"):
        raise RpcError(-32602, "no such resource", uri=uri)
    return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": f"the text of {uri}"}]}


def prompts(state):
    changed = state.get("prompt_descriptions", {})
    return [{**each, "description": changed.get(each["name"], each["description"])} for each in PROMPTS]


def get_prompt(params):
    if params["name"] not in ("greet", "plain"):
        raise RpcError(-32602, "no such prompt")
    text = "A plain prompt." if params["name"] == "plain" else f"Greet {params['arguments']['name']}."
    return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}


def page(kind, items, cursor, size):
    try:
        start = int(cursor or 0)
    except (TypeError, ValueError):
        raise RpcError(-32602, "no such cursor") from None
    more = {"nextCursor": str(start + size)} if start + size < len(items) else {}
    return {kind: items[start : start + size], **more}


def tools(state, poison):
    every = TOOLS + (misbehaviours.poisoned() if poison else []) + state.get("add_tools", [])
    left = [dict(each) for each in every if each.get("name") not in state.get("remove_tools", [])]
    changes = {"descriptions": "description", "schemas": "inputSchema"}
    changes |= {"output_schemas": "outputSchema", "annotations": "annotations"}
    for key, field in changes.items():
        for each in left:
            if each.get("name") in state.get(key, {}):
                each[field] = state[key][each["name"]]
    return left
