"""A small OpenID Connect issuer for tests: its own process, real HTTP, real keys (joserfc).

Prints its address. Serves discovery and JWKS. POST /sign makes a token of whatever it is given,
POST /rotate replaces the key, POST /mode changes how it behaves: ok, down, redirect, huge, wrong.
"""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

made = 0
mode = "ok"
looks = 0


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
            return self.answer({"issuer": issuer, "jwks_uri": f"{base}/keys", "token_endpoint": f"{base}/token"})
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

    def do_POST(self):
        global key, mode
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
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
