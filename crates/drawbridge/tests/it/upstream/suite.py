"""The tools, prompts and resources that the official conformance suite looks for, on the server of `server.py`.

    python3 suite.py [the arguments of server.py]
"""

import contextlib
import hashlib
import hmac
import json
import sys

sys.dont_write_bytecode = True  # no __pycache__ in the repository
import offered  # noqa: E402
import server  # noqa: E402
from offered import PIXEL, SILENCE, TEXT, RpcError, notification, says, tool  # noqa: E402

KEY = b"the suite's own key"
NAME = {"type": "object", "properties": {"name": TEXT}, "required": ["name"]}
CAPABILITIES = {"tools": {"listChanged": True}, "resources": {}, "prompts": {"listChanged": True}, "completions": {}}


# What the client is asked.


def form(message, **properties):
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": schema}}


def sampling(text, most):
    messages = [{"role": "user", "content": {"type": "text", "text": text}}]
    return {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": most}}


ROOTS = {"method": "roots/list", "params": {}}


def seal(content):
    return f"{content}.{hmac.new(KEY, content.encode(), hashlib.sha256).hexdigest()}"


def opened(state):
    content = (state or "").rsplit(".", 1)[0]
    if state != seal(content):
        raise RpcError(-32602, "requestState was changed")
    return content


def needs(requests, state=None):
    required = {"resultType": "input_required", "inputRequests": requests}
    raise offered.InputRequired(required | ({} if state is None else {"requestState": seal(state)}))


def answers(call, requests, state=None):
    """The answers to all of it; asks again for what is missing."""
    given = call.params.get("inputResponses")
    if given is None:
        needs(requests, state)
    if not isinstance(given, dict) or not all(isinstance(each, dict) for each in given.values()):
        raise RpcError(-32602, "inputResponses must be an object of objects")
    if state is not None:
        opened(call.params.get("requestState"))
    missing = {name: asked for name, asked in requests.items() if name not in given}
    if missing:
        needs(missing, state)
    return given


def elicitation(call):
    given = answers(call, {"user_name": form("What is your name?", name=TEXT)})
    return says(f"Hello, {given['user_name'].get('content', {}).get('name')}!")


def asks_model(call):
    given = answers(call, {"capital_question": sampling("What is the capital of France?", 100)})
    return says(given["capital_question"]["content"]["text"])


def list_roots(call):
    return says(json.dumps(answers(call, {"client_roots": ROOTS})["client_roots"]["roots"]))


def request_state(call):
    answers(call, {"confirm": form("Please confirm", ok={"type": "boolean"})}, "confirming")
    return says("state-ok")


def multiple(call):
    requests = {"user_name": form("What is your name?", name=TEXT), "greeting": sampling("Generate a greeting", 50)}
    answers(call, requests | {"client_roots": ROOTS}, "many")
    return says("all answered")


def multi_round(call):
    first, second = form("Step 1: What is your name?", name=TEXT), form("Step 2: Which color?", color=TEXT)
    given = call.params.get("inputResponses")
    if given is None:
        needs({"step1": first}, "1")
    if opened(call.params.get("requestState")) == "1":
        needs({"step2": second}, "2")
    return says(f"done: {json.dumps(given)}")


def capabilities(call):
    declared = call.params["_meta"][server.META + "clientCapabilities"]
    able = {"elicitation": form("What is your name?", name=TEXT), "sampling": sampling("Hello?", 10), "roots": ROOTS}
    return says(json.dumps(answers(call, {name: asked for name, asked in able.items() if name in declared})))


def missing_capability(call):
    if "sampling" not in call.params["_meta"][server.META + "clientCapabilities"]:
        raise RpcError(-32021, "it needs sampling", requiredCapabilities={"sampling": {}})
    return says("the client can sample")


def elicits(message, properties, required=()):
    """Asks with a schema of its own, for the scenarios of the revisions with a handshake."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    params = {"mode": "form", "message": message, "requestedSchema": schema}

    def act(call):
        given = answers(call, {"form": {"method": "elicitation/create", "params": params}})["form"]
        return says(f"User response: action={given.get('action')}, content={json.dumps(given.get('content'))}")

    return act


# The other tools.


def embedded(uri, text, kind="text/plain"):
    return {"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": text}}


IMAGE = {"type": "image", "data": PIXEL, "mimeType": "image/png"}


def content(*blocks):
    return lambda _: {"content": list(blocks)}


def progress(call):
    for done in (0, 50, 100):
        call.progress(done, 100)
        call.pause(0.05)
    return says("finished")


def trigger(kind):
    def act(call):
        for exchange, subscription, wanted in list(call.server.listening):
            if wanted.get(f"{kind}ListChanged"):
                meta = {server.META + "subscriptionId": subscription}
                exchange.tell(notification(f"{kind}/list_changed", _meta=meta))
        return says("changed")

    return act


def fails(_):
    return says("This tool intentionally returns an error for testing", isError=True)


DEFAULTS = {
    "name": TEXT | {"default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": TEXT | {"enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
OPTIONS = ["option1", "option2", "option3"]
TITLED = [{"const": f"value{number}", "title": f"{number}. choice"} for number in (1, 2, 3)]
ENUMS = {
    "untitledSingle": TEXT | {"enum": OPTIONS},
    "titledSingle": TEXT | {"oneOf": TITLED},
    "legacyEnum": TEXT | {"enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"]},
    "untitledMulti": {"type": "array", "items": TEXT | {"enum": OPTIONS}},
    "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
}
CALLS = {
    "test_elicitation": elicits("Please tell", {"username": TEXT, "email": TEXT}, ["username", "email"]),
    "test_elicitation_sep1034_defaults": elicits("Please look", DEFAULTS),
    "test_elicitation_sep1330_enums": elicits("Please choose", ENUMS),
    "test_simple_text": lambda _: says("This is a simple text response for testing."),
    "test_image_content": content(IMAGE),
    "test_audio_content": content({"type": "audio", "data": SILENCE, "mimeType": "audio/wav"}),
    "test_embedded_resource": content(embedded("test://embedded-resource", "This is an embedded resource content.")),
    "test_multiple_content_types": content(
        {"type": "text", "text": "Multiple content types test:"}, IMAGE,
        embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json"),
    ),
    "test_tool_with_progress": progress,
    "test_tool_with_logging": lambda _: says("nothing is logged"),
    "test_logging_tool": lambda _: says("nothing is logged"),
    "test_error_handling": fails,
    "test_missing_capability": missing_capability,
    "test_streaming_elicitation": elicitation,
    "test_trigger_tool_change": trigger("tools"),
    "test_trigger_prompt_change": trigger("prompts"),
    "test_input_required_result_elicitation": elicitation,
    "test_input_required_result_sampling": asks_model,
    "test_input_required_result_list_roots": list_roots,
    "test_input_required_result_request_state": request_state,
    "test_input_required_result_multiple_inputs": multiple,
    "test_input_required_result_multi_round": multi_round,
    "test_input_required_result_tampered_state": request_state,
    "test_input_required_result_capabilities": capabilities,
    "json_schema_2020_12_tool": lambda call: says(json.dumps(call.arguments)),
}  # fmt: skip
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"street": TEXT, "city": TEXT}}},
    "properties": {
        "name": TEXT, "address": {"$ref": "#/$defs/address"}, "phone": TEXT, "email": TEXT,
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
TOOLS = [tool(name, f"For the suite: {name}.", readOnlyHint=True) for name in CALLS]
MESSAGE = tool("test_elicitation", "For the suite: asks.", {"message": TEXT}, readOnlyHint=True)
TOOLS = [MESSAGE if each["name"] == MESSAGE["name"] else each for each in TOOLS]
next(each for each in TOOLS if each["name"] == "json_schema_2020_12_tool")["inputSchema"] = SCHEMA


# Prompts and resources.


def user(block):
    return {"role": "user", "content": block}


def words(text):
    return user({"type": "text", "text": text})


def argument(name):
    return {"name": name, "description": name, "required": True}


PROMPTS = [
    {"name": "test_simple_prompt", "description": "Simple."},
    {"name": "test_prompt_with_arguments", "description": "Two.", "arguments": [argument("arg1"), argument("arg2")]},
    {"name": "test_prompt_with_embedded_resource", "description": "Embeds.", "arguments": [argument("resourceUri")]},
    {"name": "test_prompt_with_image", "description": "Shows."},
    {"name": "test_input_required_result_prompt", "description": "Asks."},
]


def get_prompt(call):
    name, given = call.params["name"], call.params.get("arguments") or {}
    if name == "test_input_required_result_prompt":
        asked = answers(call, {"user_context": form("What context should the prompt use?", context=TEXT)})
        return {"messages": [words(json.dumps(asked))]}
    if name == "test_prompt_with_embedded_resource":
        block = embedded(given["resourceUri"], "Embedded resource content for testing.")
        return {"messages": [user(block), words("Please process the embedded resource above.")]}
    messages = {
        "test_simple_prompt": [words("This is a simple prompt for testing.")],
        "test_prompt_with_arguments": [words("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'".format_map(
            {"arg1": "", "arg2": "", **given}))],
        "test_prompt_with_image": [user(IMAGE), words("Please analyze the image above.")],
    }  # fmt: skip
    if name not in messages:
        raise RpcError(-32602, "no such prompt")
    return {"messages": messages[name]}


RESOURCES = [
    {"uri": "test://static-text", "name": "text", "description": "A text.", "mimeType": "text/plain"},
    {"uri": "test://static-binary", "name": "binary", "description": "A picture.", "mimeType": "image/png"},
    {"uri": "test://watched-resource", "name": "watched", "description": "A text.", "mimeType": "text/plain"},
]
TEMPLATES = [{"uriTemplate": "test://template/{id}/data", "name": "template", "mimeType": "application/json"}]


def read_resource(uri):
    if uri == "test://static-binary":
        return {"contents": [{"uri": uri, "mimeType": "image/png", "blob": PIXEL}]}
    if uri in ("test://static-text", "test://watched-resource"):
        text = "This is the content of the static text resource."
        return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": text}]}
    if uri.startswith("test://template/") and uri.endswith("/data"):
        text = json.dumps({"id": uri.split("/")[3], "templateTest": True})
        return {"contents": [{"uri": uri, "mimeType": "application/json", "text": text}]}
    raise RpcError(-32602, "Resource not found", uri=uri)


# The server.


class Suite(server.Server):
    def __init__(self, args):
        super().__init__(args)
        self.listening = []  # (exchange, subscription id, what is wanted)

    def plain_result(self, call, method, state):
        if method == "prompts/get":
            return get_prompt(call)
        if method == "completion/complete":
            return {"completion": {"values": ["paris", "park", "party"], "total": 3, "hasMore": False}}
        return super().plain_result(call, method, state)

    def listen(self, call):
        wanted, number = call.params["notifications"], call.message["id"]
        heard = {name: True for name in ("toolsListChanged", "promptsListChanged") if wanted.get(name)}
        meta = {server.META + "subscriptionId": number}
        call.exchange.tell(notification("subscriptions/acknowledged", notifications=heard, _meta=meta))
        entry = (call.exchange, number, heard)
        self.listening.append(entry)
        with contextlib.ExitStack() as stack:
            stack.callback(self.listening.remove, entry)
            while True:
                call.pause(0.1)


if __name__ == "__main__":
    offered.TOOLS, offered.CALLS, offered.PROMPTS = TOOLS, CALLS, PROMPTS
    offered.RESOURCES, offered.TEMPLATES, offered.read_resource = RESOURCES, TEMPLATES, read_resource
    server.CAPABILITIES, server.Server, server.PAGE = CAPABILITIES, Suite, 100
    server.main()
