"""Writes the vectors beside this file with canonicaljson 2.0.0 and signedjson 1.1.4 from PyPI. Deterministic."""

import hashlib
import json
import pathlib
import random

from canonicaljson import encode_canonical_json
from signedjson.key import decode_signing_key_base64, encode_verify_key_base64, get_verify_key
from signedjson.sign import sign_json
from unpaddedbase64 import encode_base64

HERE = pathlib.Path(__file__).parent
CHANCE = random.Random(20240229)
CHARACTERS = ["a", "B", "z", "0", "9", "_", "-", "~", " ", '"', "\\", "/", "\n", "\t", "\x00", "\x1f", "\x7f", "\u0085",
              "\u00e9", "\u2028", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0001f600", "\U0010ffff"]
KEYS = ["__proto__", "constructor", "toString", "", "10", "9", "-1", "raw", "hasOwnProperty", "length"]
NUMBERS = [0, 1, -1, 2**31, -(2**31), 2**53 - 1, -(2**53) + 1, 10**15]


def text():
    return "".join(CHANCE.choice(CHARACTERS) for _ in range(CHANCE.randrange(8)))


def value(depth):
    kind = CHANCE.randrange(8 if depth < 5 else 5)
    if kind == 0:
        return CHANCE.choice([None, True, False])
    if kind == 1:
        return CHANCE.choice(NUMBERS)
    if kind == 2:
        return CHANCE.randrange(-(2**53) + 1, 2**53)
    if kind in (3, 4):
        return text()
    if kind == 5:
        return [value(depth + 1) for _ in range(CHANCE.randrange(5))]
    return mapping(depth + 1)


def mapping(depth):
    count = CHANCE.randrange(1, 7)
    return {(CHANCE.choice(KEYS) if CHANCE.randrange(4) == 0 else text()): value(depth) for _ in range(count)}


def source(item):
    return json.dumps(item, ensure_ascii=CHANCE.random() < 0.5, indent=CHANCE.choice([None, 1]))


def canonical_vectors():
    for _ in range(200):
        item = mapping(0)
        yield {"source": source(item), "canonical": encode_canonical_json(item).decode("utf-8")}


def without(item, *names):
    return {key: item[key] for key in item if key not in names}


def digest(item, *names):
    return hashlib.sha256(encode_canonical_json(without(item, *names))).digest()


def event(number, name):
    content = mapping(0)
    item = {
        "auth_events": ["$" + encode_base64(CHANCE.randbytes(32), urlsafe=True) for _ in range(3)],
        "content": content,
        "depth": CHANCE.randrange(1, 2**53),
        "origin_server_ts": CHANCE.randrange(0, 2**42),
        "prev_events": ["$" + encode_base64(CHANCE.randbytes(32), urlsafe=True)],
        "room_id": "!" + encode_base64(CHANCE.randbytes(9), urlsafe=True) + ":" + name,
        "sender": "@user%d:%s" % (number, name),
        "type": "m.room.message",
        "org.example.unknown": value(3),
    }
    kept = {}
    if number % 2:
        content["membership"] = "join"
        item.update(type="m.room.member", state_key=item["sender"])
        kept = {"membership": "join"}
    item["hashes"] = {"sha256": encode_base64(digest(item))}
    redacted = dict(without(item, "org.example.unknown"), content=kept)
    return item, redacted


def event_vectors():
    for number in range(50):
        seed = encode_base64(CHANCE.randbytes(32))
        version = "k%d" % number
        key = decode_signing_key_base64("ed25519", version, seed)
        name = CHANCE.choice(["example.org", "[2001:db8::1]:8448", "192.0.2.1", "localhost:80"])
        item, redacted = event(number, name)
        signed = sign_json(dict(redacted), name, key)
        item["signatures"] = signed["signatures"]
        item["unsigned"] = {"age": number}
        yield {
            "seed": seed,
            "keyId": "ed25519:" + version,
            "publicKey": encode_verify_key_base64(get_verify_key(key)),
            "serverName": name,
            "eventId": "$" + encode_base64(digest(redacted, "signatures"), urlsafe=True),
            "source": source(item),
            # The whole event signed as any other JSON object would be.
            "signatureAsJson": sign_json(without(item, "signatures"), name, key)["signatures"][name]["ed25519:" + version],
        }


def write(name, vectors):
    (HERE / name).write_text(json.dumps(list(vectors), indent=1) + "\n")


write("canonical.json", canonical_vectors())
write("events.json", event_vectors())
