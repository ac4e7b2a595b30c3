"""An authorization server, and an MCP server that it guards: their own process, real HTTP, real checks.

    python3 authorization.py

Prints one JSON line, {"issuer": ..., "mcp": ...}. The authorization server has metadata (RFC 8414), dynamic registration,
client id metadata documents, codes with PKCE, refresh tokens that rotate and whose reuse ends them all, client credentials,
and token exchange for statements of gateways that it trusts. The MCP server has protected resource metadata (RFC 9728) and
takes only tokens that were made for it. Every secret begins with `canary-`.

The browser is whoever asks for /authorize: the header `X-User` says who has signed in there.

POST /control changes how both behave:
    lifetime s            of access tokens from here on
    refreshes bool        whether there are refresh tokens
    methods [..]|null     code_challenge_methods_supported
    issuer text|null      what the metadata calls the issuer
    answer_iss text|null  what comes back as `iss`; "" leaves it out
    servers [..]|null     the authorization servers that the protected resource names
    forged bool           the protected resource names a document of its own, which speaks in the issuer's name
    resource text|null    what the protected resource metadata says it is for
    audience text|null    what tokens are made for, whatever was asked
    register bool         dynamic registration
    documents {id: url}   where client id metadata documents really are
    trusts {iss: url}     whose statements are trusted, and where their keys are
    metadata_delay s      before the metadata
    token_delay s         before /token answers
    down bool             /token answers 503
    grants [..]|null      the scopes that /token gives to a client; invalid_scope for others
    scope text            the scope that the tool `admin` needs
    revoke "access"|"all" ends what was given out so far
GET /seen: {"token": [..], "mcp": [..], "registered": [..], "reused": n, "stolen": n}
"""

import base64
import hashlib
import json
import secrets
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet

TOOLS = [
    {
        "name": "whoami",
        "description": "Says whose account this is.",
        "inputSchema": {"type": "object", "properties": {}},
    },
    {
        "name": "note",
        "description": "Keeps a note.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    },
    {
        "name": "admin",
        "description": "Needs more.",
        "inputSchema": {"type": "object", "properties": {}},
    },
]

lock = threading.RLock()
control = {
    "lifetime": 3600,
    "refreshes": True,
    "methods": ["S256"],
    "issuer": None,
    "answer_iss": None,
    "servers": None,
    "forged": False,
    "resource": None,
    "audience": None,
    "register": True,
    "documents": {},
    "trusts": {},
    "metadata_delay": 0,
    "token_delay": 0,
    "down": False,
    "grants": None,
    "scope": "admin",
}
seen = {"token": [], "mcp": [], "registered": [], "reused": 0, "stolen": 0}
clients = {"service": {"secret": "canary-client-secret", "grants": ["client_credentials", "exchange"]}}
codes, access, refresh = {}, {}, {}
notes = []


def made(kind):
    return f"canary-{kind}-{secrets.token_hex(12)}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, code=200, headers=()):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))


def metadata():
    about = {
        "issuer": control["issuer"] or ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "response_types_supported": ["code"],
        "scopes_supported": ["read", "admin", "offline_access"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", EXCHANGE],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_post"],
        "authorization_response_iss_parameter_supported": True,
    }
    if control["methods"] is not None:
        about["code_challenge_methods_supported"] = control["methods"]
    if control["register"]:
        about["registration_endpoint"] = f"{ISSUER}/register"
    if control["documents"]:
        about["client_id_metadata_document_supported"] = True
    return about


class Server(Handler):
    """The authorization server."""

    def do_GET(self):
        at = urlsplit(self.path)
        if at.path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"):
            time.sleep(control["metadata_delay"])
            return self.answer(metadata())
        if at.path == "/authorize":
            return self.authorize({key: values[0] for key, values in parse_qs(at.query).items()})
        if at.path == "/seen":
            return self.answer(seen)
        self.answer({"error": "not_found"}, 404)

    def authorize(self, asked):
        client = known(asked.get("client_id"))
        back = asked.get("redirect_uri", "")
        if client is None or not allowed(client, back):
            return self.answer({"error": "invalid_client"}, 400)
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return self.answer({"error": "invalid_request"}, 400)
        user = self.headers.get("X-User", "somebody")
        came = {"state": asked["state"], "iss": ISSUER if control["answer_iss"] is None else control["answer_iss"]}
        if not came["iss"]:
            del came["iss"]
        if user == "nobody":
            came["error"] = "access_denied"
        else:
            came["code"] = made("code")
            codes[came["code"]] = asked | {"user": user, "tokens": []}
        self.answer(None, 302, [("Location", f"{back}?{urlencode(came)}")])

    def do_POST(self):
        if self.path == "/control":
            changes = json.loads(self.body())
            with lock:
                revoke = changes.pop("revoke", None)
                control.update(changes)
                if revoke:
                    access.clear()
                if revoke == "all":
                    refresh.clear()
            return self.answer({})
        if self.path == "/register":
            if not control["register"]:
                return self.answer({"error": "not_found"}, 404)
            wanted = json.loads(self.body())
            name = f"client-{len(clients)}"
            clients[name] = wanted | {"secret": None, "grants": ["code"]}
            seen["registered"].append(wanted)
            return self.answer(wanted | {"client_id": name}, 201)
        if self.path == "/token":
            asked = {key: values[0] for key, values in parse_qs(self.body().decode()).items()}
            seen["token"].append({key: asked.get(key) for key in ("grant_type", "client_id", "resource", "scope")})
            time.sleep(control["token_delay"])
            if control["down"]:
                return self.answer({"error": "temporarily_unavailable"}, 503)
            with lock:
                code, answer = self.token(asked)
            return self.answer(answer, code, [("Cache-Control", "no-store")])
        self.answer({"error": "not_found"}, 404)

    def token(self, asked):
        name, secret = asked.get("client_id"), asked.get("client_secret")
        if (self.headers.get("Authorization") or "").startswith("Basic "):
            plain = base64.b64decode(self.headers["Authorization"][6:]).decode()
            name, secret = (unquote(part) for part in plain.split(":", 1))
        client = known(name)
        if client is None or client.get("secret") not in (None, secret):
            return 401, {"error": "invalid_client"}
        grant = asked.get("grant_type")
        if asked.get("resource") != MCP:
            return 400, {"error": "invalid_target"}
        if grant == "authorization_code":
            return by_code(name, asked)
        if grant == "refresh_token":
            return by_refresh(name, asked)
        if control["grants"] is not None and not set(asked.get("scope", "").split()) <= set(control["grants"]):
            return 400, {"error": "invalid_scope"}
        if grant == "client_credentials" and "client_credentials" in client["grants"]:
            return 200, given(name, "service-account", asked.get("scope", ""), refreshes=False)
        if grant == EXCHANGE and "exchange" in client["grants"]:
            return by_statement(name, asked)
        return 400, {"error": "unsupported_grant_type"}


EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


def known(name):
    if name in clients:
        return clients[name]
    if name in control["documents"]:
        with urllib.request.urlopen(urllib.request.Request(control["documents"][name])) as answer:
            document = json.load(answer)
        if document["client_id"] == name:
            return document | {"secret": None, "grants": ["code"]}
    return None


def allowed(client, back):
    """Whether a client may have browsers sent there: on one's own machine, to any port (RFC 8252)."""
    wanted = urlsplit(back)
    for one in map(urlsplit, client.get("redirect_uris", [])):
        here = one.hostname in ("127.0.0.1", "localhost")
        if (one.scheme, one.hostname, one.path) == (wanted.scheme, wanted.hostname, wanted.path):
            if here or one.port == wanted.port:
                return True
    return False


def by_code(name, asked):
    code = codes.get(asked.get("code"))
    if code is None or code["client_id"] != name or code["redirect_uri"] != asked.get("redirect_uri"):
        return 400, {"error": "invalid_grant"}
    if code.get("used"):
        for token in code["tokens"]:
            access.pop(token, None)
            refresh.pop(token, None)
        return 400, {"error": "invalid_grant"}
    digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code["code_challenge"]:
        return 400, {"error": "invalid_grant"}
    if code.get("resource") != asked["resource"]:
        return 400, {"error": "invalid_target"}
    code["used"] = True
    answer = given(name, code["user"], code.get("scope", ""))
    code["tokens"] += [answer["access_token"], answer.get("refresh_token")]
    return 200, answer


def by_refresh(name, asked):
    token = asked.get("refresh_token")
    kept = refresh.get(token)
    if kept is None or kept["client"] != name:
        return 400, {"error": "invalid_grant"}
    if kept["used"]:
        # Somebody has stolen it: whoever uses it second, all that came of it ends.
        seen["reused"] += 1
        for one in [one for one, other in refresh.items() if other["family"] == kept["family"]]:
            del refresh[one]
        return 400, {"error": "invalid_grant"}
    scope = asked.get("scope") or kept["scope"]
    if not set(scope.split()) <= set(kept["scope"].split()):
        return 400, {"error": "invalid_scope"}
    kept["used"] = True
    answer = given(name, kept["user"], scope, family=kept["family"])
    # What a refresh token is for stays as it was agreed to.
    refresh[answer["refresh_token"]]["scope"] = kept["scope"]
    return 200, answer


def by_statement(name, asked):
    said = asked.get("subject_token", "")
    try:
        claims = json.loads(base64.urlsafe_b64decode(said.split(".")[1] + "=="))
        with urllib.request.urlopen(control["trusts"][claims["iss"]]) as answer:
            keys = KeySet.import_key_set(json.load(answer))
        checked = jwt.decode(said, keys, algorithms=["ES256"])
        claims = checked.claims
        jwt.JWTClaimsRegistry(
            aud={"essential": True, "value": ISSUER}, exp={"essential": True}, sub={"essential": True}
        ).validate(claims)
    except Exception as error:  # noqa: BLE001
        return 400, {"error": "invalid_request", "error_description": f"{type(error).__name__} of {said}"}
    answer = given(name, claims["sub"], asked.get("scope", ""), refreshes=False)
    return 200, answer | {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}


def given(client, user, scope, refreshes=True, family=None):
    token = made("access")
    audience = control["audience"] or MCP
    until = time.time() + control["lifetime"]
    access[token] = {"user": user, "scope": scope, "audience": audience, "until": until}
    answer = {"access_token": token, "token_type": "Bearer", "expires_in": control["lifetime"], "scope": scope}
    if refreshes and control["refreshes"]:
        renewed = made("refresh")
        family = family or renewed
        refresh[renewed] = {"client": client, "user": user, "scope": scope, "family": family, "used": False}
        answer["refresh_token"] = renewed
    return answer


class Guarded(Handler):
    """The MCP server."""

    def do_GET(self):
        if self.path == "/.well-known/oauth-protected-resource/mcp":
            return self.answer(
                {
                    "resource": control["resource"] or MCP,
                    "authorization_servers": [FORGED] if control["forged"] else control["servers"] or [ISSUER],
                    "scopes_supported": ["read"],
                }
            )
        if self.path == urlsplit(FORGED).path:
            return self.answer(metadata() | {"token_endpoint": MCP.replace("/mcp", "/stolen")})
        if self.path == "/mcp":
            return self.challenge(401)
        self.answer({"error": "not found"}, 404)

    def do_DELETE(self):
        self.answer({})

    def challenge(self, code, more=""):
        place = MCP.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
        said = f'Bearer resource_metadata="{place}"{more}'
        self.answer({"error": "unauthorized"}, code, [("WWW-Authenticate", said)])

    def do_POST(self):
        if self.path == "/stolen":
            self.body()
            seen["stolen"] += 1
            return self.answer({"error": "invalid_grant"}, 400)
        message = json.loads(self.body())
        authorization = self.headers.get("Authorization", "")
        with lock:
            seen["mcp"].append({"method": message.get("method"), "headers": dict(self.headers.items())})
            token = access.get(authorization.removeprefix("Bearer "))
        if token is None or token["until"] < time.time() or token["audience"] != MCP:
            return self.challenge(401, ', error="invalid_token"')
        params = message.get("params", {})
        if params.get("name") == "admin" and control["scope"] not in token["scope"].split():
            return self.challenge(403, f', error="insufficient_scope", scope="{control["scope"]}"')
        if "id" not in message:
            return self.answer(None, 202)
        result, error = work(message["method"], params, token)
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        self.answer(answer | ({"error": error} if error else {"result": result}))


def work(method, params, token):
    if method == "initialize":
        about = {"name": "guarded", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": about}, None
    if method == "tools/list":
        return {"tools": TOOLS}, None
    if method == "ping":
        return {}, None
    if method == "tools/call":
        if params["name"] == "note":
            notes.append({"by": token["user"], "text": params["arguments"]["text"]})
        told = {"user": token["user"], "scope": token["scope"], "notes": [note["by"] for note in notes]}
        return {"content": [{"type": "text", "text": json.dumps(told)}], "structuredContent": told}, None
    return None, {"code": -32601, "message": "no such method"}


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
guarded = ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
server.daemon_threads = guarded.daemon_threads = True
ISSUER = f"http://127.0.0.1:{server.server_port}"
MCP = f"http://127.0.0.1:{guarded.server_port}/mcp"
FORGED = MCP.replace("/mcp", "/.well-known/forged")
print(json.dumps({"issuer": ISSUER, "mcp": MCP}), flush=True)
threading.Thread(target=guarded.serve_forever, daemon=True).start()
server.serve_forever()
