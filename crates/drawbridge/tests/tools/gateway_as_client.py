"""The gateway as the client that the conformance suite looks at: a workspace, a real gateway, the command line.

    python3 gateway_as_client.py PROGRAM URL

The suite says in MCP_CONFORMANCE_SCENARIO what it looks at, and in MCP_CONFORMANCE_CONTEXT what a client would know
beforehand. A connector of the kind `mcp` is written from what the server says, and each of its tools is called once. Where
the server wants a token, the account is connected as a person would do it, by following the address that the command line
prints.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urljoin, urlsplit

PROGRAM, URL = sys.argv[1], sys.argv[2]
SCENARIO = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
CONTEXT = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
# The suite knows the document at this address, which nobody can fetch, by heart.
DOCUMENT = "https://conformance-test.local/client-metadata.json"
OLGA = "olga@x.example"
TRIES = 2
ROUNDS = 5


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


browser = urllib.request.build_opener(Stay, urllib.request.ProxyHandler({}))


def say(*words):
    """What happens, for people: into the file of GATEWAY_AS_CLIENT_LOG, since the suite shows nothing of it."""
    if place := os.environ.get("GATEWAY_AS_CLIENT_LOG"):
        with open(place, "a") as file:
            print(*words, file=file)


class Workspace:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.credential = []
        self.write("drawbridge.yaml", self.gateway(""))

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def gateway(self, more):
        return f"gateway: firm\naddress: 127.0.0.1:0\noperator: {OLGA}\npeople:\n  {OLGA}: {{groups: [owners]}}\n{more}"

    def command(self, *arguments):
        return [PROGRAM, "--dir", str(self.folder), *arguments]

    def line(self, *arguments, said=None):
        done = subprocess.run(self.command(*arguments), input=said, capture_output=True, text=True)
        say("$", *arguments, "->", done.returncode, (done.stdout + done.stderr)[:2000])
        return done

    def authorize(self):
        """Declares how tokens are got, from what a client would know."""
        wanted = {"resource": URL, "grant": "authorization_code"}
        if "client-credentials" in SCENARIO:
            wanted["grant"] = "client_credentials"
        if SCENARIO == "auth/basic-cimd":
            wanted["client_id"] = DOCUMENT
        if "client_id" in CONTEXT:
            wanted["client_id"] = CONTEXT["client_id"]
        if "client_secret" in CONTEXT:
            wanted["client_secret"] = "up-client"
            wanted["issuer"] = issuer()
        credentials = {"up-account": {"from": {"oauth": wanted}}}
        self.write("drawbridge.yaml", self.gateway("credentials: " + json.dumps(credentials) + "\n"))
        if "client_secret" in CONTEXT:
            self.line("secret", "set", "up-client", said=CONTEXT["client_secret"])
        self.credential = ["--credential", "up-account"]
        if wanted["grant"] == "authorization_code":
            return self.connect()
        return True

    def connect(self):
        """Agrees in a browser, whoever is asked."""
        child = subprocess.Popen(
            self.command("secret", "connect", "up-account"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        for line in child.stderr:
            say(line.rstrip())
            if line.startswith("http"):
                follow(line.strip())
                break
        out, rest = child.communicate(timeout=30)
        say("$ secret connect ->", child.returncode, out, rest)
        return child.returncode == 0

    def add(self):
        flags = ["--label", "internal", "--url", URL, *self.credential]
        return self.line("connector", "add", "mcp", "up", *flags)

    def review(self):
        """Every tool may be used by everybody: here the protocol is looked at, and nothing else."""
        path = self.folder / "connectors/up.yaml"
        head, rest = path.read_text().split("  tools:\n", 1)
        tools, pinned = rest.split("  # What the system said", 1)
        names = re.findall(r"^    (\"(?:[^\"\\]|\\.)*\"|[^\s:#]+): ", tools, re.M)
        pinned = pinned.split("access:", 1)[0]
        listed = "".join(f"    {name}: {{power: read}}\n" for name in names)
        credential = "  credential: up-account\n" if self.credential else ""
        path.write_text(
            f"{head}  asks: [form]\n  tools:\n{listed}  # What the system said{pinned}access: [read]\n"
            f"identity:\n  account: the suite\n{credential}  approved_by: {OLGA}\n"
            "permissions:\n  - {who: [everyone], may: [read]}\nlogging: {keep: 400d}\n"
            'approval:\n  []\nrecovery: {pause: ["group:owners"]}\n'
        )
        self.line("approve-revision", "up", "--reason", "the suite")

    def ask(self, url, tool, arguments):
        """Calls as an AI application that asks its person what a server wants to know; who answers in its schema."""
        made = json.loads(self.line("--json", "token", "new", "--client", "suite", "--person", OLGA).stdout)
        version = "2026-07-28"
        params = {"name": tool, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
        }}  # fmt: skip
        headers = {"Authorization": f"Bearer {made['data']['token']}", "Content-Type": "application/json"}
        headers |= {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": version}
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": tool}
        for number in range(ROUNDS):
            body = json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode()
            request = urllib.request.Request(urljoin(url, "/mcp"), body, headers)
            result = json.loads(browser.open(request, timeout=30).read())["result"]
            say(tool, json.dumps(result)[:2000])
            if result.get("resultType") != "input_required":
                return
            params["inputResponses"] = {name: filled(asked) for name, asked in result["inputRequests"].items()}
            params.pop("requestState", None)
            if "requestState" in result:
                params["requestState"] = result["requestState"]

    def call(self, tool, arguments):
        done = self.line("--json", "call", tool, json.dumps(arguments))
        for _ in range(TRIES):
            said = done.stdout
            if "wants more access" in said or "refuses the connector's credential" in said or "has ended" in said:
                if not self.credential or not self.connect():
                    break
                done = self.line("--json", "call", tool, json.dumps(arguments))
        return done


def follow(address):
    """A browser: to wherever it is sent, and back to this machine."""
    for _ in range(10):
        try:
            browser.open(address, timeout=10).read()
            return
        except urllib.error.HTTPError as error:
            to = error.headers.get("Location")
            if error.code not in (301, 302, 303, 307, 308) or not to:
                say("the browser got", error.code, error.read()[:300])
                return
            address = urljoin(address, to)


def issuer():
    """Who gave the client its secret: somebody who writes the file knows, and here the server is asked."""
    try:
        browser.open(urllib.request.Request(URL, b"{}", {"Content-Type": "application/json"}), timeout=10)
        said = ""
    except urllib.error.HTTPError as error:
        said = error.headers.get("WWW-Authenticate") or ""
    named = re.search(r'resource_metadata="([^"]+)"', said)
    place = named.group(1) if named else urljoin(URL, "/.well-known/oauth-protected-resource" + urlsplit(URL).path)
    return json.loads(browser.open(place, timeout=10).read())["authorization_servers"][0]


def some(schema):
    """An argument that a schema allows."""
    if "default" in schema:
        return schema["default"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    return {"number": 1.5, "integer": 1, "boolean": True, "array": [], "object": {}, "null": None}.get(kind, "x")


def filled(asked):
    """A form, filled in."""
    properties = asked["params"].get("requestedSchema", {}).get("properties", {})
    return {"action": "accept", "content": {name: some(schema) for name, schema in properties.items()}}


def arguments(tool, tools):
    if tool["action"] == "json_schema_echo":
        # The suite wants to see what came through of another tool's schema.
        return {"schema": tools["up_json_schema_2020_12_tool"]["input"]}
    named = [call["arguments"] for call in CONTEXT.get("toolCalls", []) if call["name"] == tool["action"]]
    if named:
        # What is none is left out: the tool's schema allows no null.
        return {name: value for name, value in named[0].items() if value is not None}
    schema = tool.get("input") or tool.get("inputSchema") or {}
    properties = schema.get("properties", {})
    return {name: some(properties.get(name, {})) for name in schema.get("required", [])}


def main(workspace):
    if SCENARIO.startswith("auth/") and not workspace.authorize():
        return
    for _ in range(TRIES):
        if workspace.add().returncode == 0:
            break
        if not workspace.credential or not workspace.connect():
            return
    if not (workspace.folder / "connectors/up.yaml").exists():
        return
    workspace.review()
    serving = subprocess.Popen(
        workspace.command("serve"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
    )
    address = next(word for word in serving.stdout.readline().split() if word.startswith("http"))
    try:
        listed = json.loads(workspace.line("--json", "tools").stdout)["data"]["tools"]
        tools = {tool["name"]: tool for tool in listed if tool["name"].startswith("up_")}
        for name, tool in tools.items():
            tool["action"] = name.removeprefix("up_")
            if SCENARIO in ("sep-2322-client-request-state", "elicitation-sep1034-client-defaults"):
                workspace.ask(address, name, arguments(tool, tools))
            else:
                workspace.call(name, arguments(tool, tools))
    finally:
        serving.terminate()
        serving.wait(20)


with tempfile.TemporaryDirectory() as folder:
    main(Workspace(folder))
