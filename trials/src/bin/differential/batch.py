# Both parsers of reference.py, whose path is the argument, over many streams. For each there is a line of
# JSON, the lengths of its chunks, and then its bytes; the answer is a line of JSON.
import importlib.util
import json
import sys

spec = importlib.util.spec_from_file_location("reference", sys.argv[1])
reference = importlib.util.module_from_spec(spec)
sys.modules["reference"] = reference
sys.dont_write_bytecode = True
spec.loader.exec_module(reference)

while line := sys.stdin.buffer.readline():
    chunks = [sys.stdin.buffer.read(length) for length in json.loads(line)]
    whole = reference.parse_batch(b"".join(chunks))
    if whole != reference.parse_incremental(chunks):
        sys.exit(f"the two references disagree on {chunks!r}")
    whole["retry_ms"] = [str(time) for time in whole["retry_ms"]]
    print(json.dumps(whole))
