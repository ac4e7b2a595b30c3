"""A small OpenID Connect issuer for tests: its own process, real HTTP, real keys (joserfc).

Prints its address. Serves discovery and JWKS. POST /sign makes a token of whatever it is given,
POST /rotate replaces the key, POST /mode changes how it behaves: ok, down, redirect, huge, wrong.

Browsers sign in at /authorize, as whoever POST /user said last: `claims` are laid over those of a good
ID token, `without` are left out, `shift` moves times, `head` is laid over its head. There also stands how
the server goes wrong: `named` is whom it calls itself to the browser, `says` is laid over its metadata,
`token` is how /token answers: ok, slow, huge, redirect, failing, none, unsigned, shared.
"""

import base64
import hashlib
import json
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

CLIENT = "drawbridge-console"
SECRET = "s3cret/ of+the client"

made = 0
mode = "ok"
looks = 0
user = {}
codes = {}


def make():
    global made
    made += 1
    if made % 2:
        return RSAKey.generate_key(2048, {"kid": f"key-{made}", "alg": "RS256", "use": "sig"}, private=True)
    return ECKey.generate_key("P-256", {"kid": f"key-{made}", "alg": "ES256", "use": "sig"}, private=True)


key = make()


class Issuer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, code=200, headers=()):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        global looks
        if mode == "down":
            return self.answer({"error": "down"}, 503)
        if self.path == "/.well-known/openid-configuration":
            issuer = base if mode != "wrong" else "https://other.example"
            said = {"issuer": issuer, "jwks_uri": f"{base}/keys", "token_endpoint": f"{base}/token"}
            said |= {
                "authorization_endpoint": f"{base}/authorize?tenant=acme",
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
            return self.answer(said | user.get("says", {}))
        if self.path.startswith("/authorize?"):
            return self.authorize(dict(parse_qsl(urlsplit(self.path).query)))
        if self.path == "/keys":
            looks += 1
            if mode == "redirect":
                return self.answer({}, 302, [("Location", f"{base}/elsewhere")])
            if mode == "huge":
                return self.answer({"keys": ["x" * 2_000_000]})
            return self.answer({"keys": [key.as_dict(private=False)]})
        if self.path == "/elsewhere":
            return self.answer({"keys": [key.as_dict(private=False)]})
        if self.path == "/looks":
            return self.answer({"looks": looks})
        self.answer({"error": "not found"}, 404)

    def authorize(self, asked):
        known = asked.get("client_id") == CLIENT and asked.get("response_type") == "code"
        safe = asked.get("code_challenge_method") == "S256" and asked.get("nonce") and asked.get("state")
        if not known or not safe or "openid" not in asked.get("scope", "").split():
            return self.answer({"error": "invalid_request"}, 400)
        back = {"state": asked["state"]}
        if user.get("error"):
            back["error"] = user["error"]
        else:
            back["code"] = secrets.token_urlsafe(16)
            codes[back["code"]] = asked
        if user.get("named", base):
            back["iss"] = user.get("named", base)
        where = asked["redirect_uri"] + "?" + urlencode(back)
        self.answer({}, 302, [("Location", where)])

    def token(self, form):
        if user.get("token") == "slow":
            time.sleep(60)
        if user.get("token") == "huge":
            return self.answer({"id_token": "x" * 2_000_000})
        if user.get("token") == "failing":
            return self.answer({"error": "secret words of the issuer"}, 500)
        if user.get("token") == "redirect":
            return self.answer({}, 307, [("Location", f"{base}/elsewhere")])
        if not self.is_client(form):
            return self.answer({"error": "invalid_client"}, 401)
        # A code that was brought once is worth nothing, whatever came of that.
        asked = codes.pop(form.get("code"), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        same = asked and asked["code_challenge"] == challenge and asked["redirect_uri"] == form.get("redirect_uri")
        if not same or form.get("grant_type") != "authorization_code":
            return self.answer({"error": "invalid_grant"}, 400)
        answer = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 60}
        if user.get("token") != "none":
            answer["id_token"] = self.id_token(asked)
        self.answer(answer)

    def is_client(self, form):
        if user.get("public"):
            return form.get("client_id") == CLIENT and "client_secret" not in form
        if "client_secret_post" in user.get("says", {}).get("token_endpoint_auth_methods_supported", []):
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        scheme, _, plain = self.headers.get("Authorization", "").partition(" ")
        named, _, secret = base64.b64decode(plain).decode().partition(":")
        said = (unquote(named), unquote(secret.replace("+", " ")))
        return scheme == "Basic" and said == (CLIENT, SECRET)

    def id_token(self, asked):
        algorithm = key.as_dict(private=False)["alg"]
        head = {"alg": algorithm, "kid": key.kid, "typ": "JWT"} | user.get("head", {})
        now = int(time.time())
        claims = {"iss": base, "sub": "s-eve", "aud": CLIENT, "nonce": asked["nonce"], "iat": now, "exp": now + 300}
        claims |= {"email": "eve@x.example", "email_verified": True}
        claims |= user.get("claims", {})
        for name, shift in user.get("shift", {}).items():
            claims[name] = now + shift
        for name in user.get("without", []):
            del claims[name]
        if user.get("token") == "unsigned":
            parts = [{"alg": "none", "typ": "JWT"}, claims]
            parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
            return ".".join([*parts, ""])
        if user.get("token") == "shared":
            return jwt.encode({"alg": "HS256", "kid": key.kid}, claims, OctKey.import_key(SECRET))
        return jwt.encode(head, claims, key)

    def do_POST(self):
        global key, mode, user
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}"
        if self.path == "/token":
            return self.token(dict(parse_qsl(body.decode())))
        body = json.loads(body)
        if self.path == "/user":
            user = body
            return self.answer({})
        if self.path == "/rotate":
            key = make()
            return self.answer({"kid": key.kid})
        if self.path == "/mode":
            mode = body["mode"]
            return self.answer({})
        if self.path == "/sign":
            algorithm = key.as_dict(private=False)["alg"]
            head = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt"} | body.get("head", {})
            now = int(time.time())
            claims = {"iss": base, "sub": "ann", "client_id": "claude", "iat": now, "exp": now + 300}
            claims |= body.get("claims", {})
            for name, shift in body.get("shift", {}).items():
                claims[name] = now + shift
            return self.answer({"token": jwt.encode(head, claims, key)})
        self.answer({"error": "not found"}, 404)


server = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
base = f"http://127.0.0.1:{server.server_port}"
print(base, flush=True)
server.serve_forever()
