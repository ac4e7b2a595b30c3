"""A mail server and a web server for notices. Each refuses the first it gets; both write what they keep to a file."""

import base64
import email
import hashlib
import hmac
import http.server
import json
import socket
import sys
import threading

from aiosmtpd.controller import Controller

KEPT = sys.argv[1]
KEY = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
LOCK = threading.Lock()
REFUSED = set()


def keep(what):
    with LOCK, open(KEPT, "a") as file:
        file.write(json.dumps(what) + "\n")


def first(name):
    with LOCK:
        new = name not in REFUSED
        REFUSED.add(name)
        return new


class Mail:
    async def handle_DATA(self, server, session, envelope):
        if first("mail"):
            return "451 4.3.0 try again later"
        message = email.message_from_bytes(envelope.content)
        text = message.get_payload(decode=True).decode()
        for recipient in envelope.rcpt_tos:
            keep({"to": recipient, "subject": message["subject"], "text": text, "bcc": message["bcc"]})
        return "250 2.0.0 kept"


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if first("web"):
            self.send_response(503)
            self.end_headers()
            return
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        right = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        good = hmac.compare_digest(right, self.headers["webhook-signature"])
        keep({"signed": good, "type": json.loads(body)["type"], "text": body.decode()})
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
threading.Thread(target=web.serve_forever, daemon=True).start()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
mail = Controller(Mail(), hostname="127.0.0.1", port=port)
mail.start()
print(json.dumps([port, web.server_port]), flush=True)
threading.Event().wait()
