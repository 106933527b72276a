#!/usr/bin/env python3
"""What the reference parser makes of 10 MiB of seeded random bytes, as a digest.

    tests/vectors/random.py PATH_OF_REFERENCE.PY > tests/vectors/random.json

Half of the draws are bytes of any value, half are pieces of fields, so that there are events among
them. tests/parser/random_bytes.rs makes the same bytes.
"""
import hashlib
import importlib.util
import json
import sys

SEED = 115
LENGTH = 10 << 20
PIECES = [
    b"\n", b"\n\n", b"\r", b"\r\n", b"\r\r", b"\r\n\r\n",
    b"data", b"data:", b"data: ", b"\ndata: ", b"\ndata: ", b"event: ", b"\nevent: ", b"id: ", b"\nid: ", b"id",
    b"\nretry: ", b"retry: 15\n", b"\n:", b" ", b"0", b"15", b"\t",
    b"\xef\xbb\xbf", b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80",
    b"\xc3", b"\xff", b"\x00",
]
MASK = (1 << 64) - 1


def splitmix64(state):
    """https://prng.di.unimi.it/splitmix64.c"""
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def random_bytes():
    draws, out = splitmix64(SEED), bytearray()
    while len(out) < LENGTH:
        draw = next(draws)
        if draw & 1:
            out += PIECES[(draw >> 1) % len(PIECES)]
        else:
            out.append((draw >> 1) & 0xFF)
    return bytes(out[:LENGTH])


def digest(result):
    sha = hashlib.sha256()
    for event in result["events"]:
        for name in ("event", "id", "data"):
            value = event[name].encode()
            sha.update(len(value).to_bytes(8, "big"))
            sha.update(value)
    return sha.hexdigest()


spec = importlib.util.spec_from_file_location("reference", sys.argv[1])
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)
data = random_bytes()
result = reference.parse_batch(data)
assert result == reference.parse_incremental([data]), "the two references disagree"
print(json.dumps({
    "seed": SEED,
    "bytes": LENGTH,
    "input_sha256": hashlib.sha256(data).hexdigest(),
    "events": len(result["events"]),
    "events_sha256": digest(result),
    "final_last_event_id_sha256": hashlib.sha256(result["final_last_event_id"].encode()).hexdigest(),
    "retries": len(result["retry_ms"]),
    "retry_ms_sum": sum(result["retry_ms"]),
}, indent=1))
