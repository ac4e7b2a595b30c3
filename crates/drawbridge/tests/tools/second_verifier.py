"""A second verifier of exported logs, made of other people's libraries only.

    second_verifier.py root EXPORT CHECKPOINT VERIFIER_KEY   prints `ok SIZE ROOT`, or fails
    second_verifier.py ocsf                                  prints the JSON Schema of API Activity
"""
import base64
import hashlib
import json
import sys


def root(export, checkpoint, verifier_key):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from pymerkle import InmemoryTree

    # C2SP signed-note: NAME+KEY_ID+BASE64(1 || key); the id is SHA-256(name, newline, 1, key)[:4].
    name, key_id, key = verifier_key.split("+", 2)
    key = base64.b64decode(key, validate=True)
    assert key[0] == 1 and len(key) == 33, "an Ed25519 key"
    right_id = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    assert right_id.hex() == key_id, "the key's id"

    note = open(checkpoint, encoding="utf-8").read()
    text, signatures = note.split("\n\n")
    text += "\n"
    line = signatures.removesuffix("\n")
    dash, signer, signature = line.split(" ")
    assert dash == "\u2014" and signer == name
    signature = base64.b64decode(signature, validate=True)
    assert signature[:4] == right_id, "the signature's key id"
    Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], text.encode())

    # C2SP tlog-checkpoint: origin, size, root, extension lines.
    origin, size, stated, *_ = text.splitlines()
    assert origin == name
    tree = InmemoryTree(algorithm="sha256")
    with open(export, "rb") as lines:
        for _ in range(int(size)):
            tree.append_entry(lines.readline().removesuffix(b"\n"))
    computed = tree.get_state()
    assert computed == base64.b64decode(stated, validate=True), "the root"
    print("ok", size, computed.hex())


def ocsf():
    from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.3.0"))
    print(json.dumps(schema.get_class_schema(class_name="api_activity", profiles=[])))


if __name__ == "__main__":
    {"root": root, "ocsf": ocsf}[sys.argv[1]](*sys.argv[2:])
