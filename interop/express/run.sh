#!/usr/bin/env bash
# Installs Express from npm and runs tests/interop_express.rs against it. What is given is passed on
# to cargo. Fails where a test did not run: a skip is no pass.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

for tool in node npm cargo; do
    command -v "$tool" >/dev/null || { echo "run.sh: $tool is missing" >&2; exit 1; }
done

# Only where what is installed is not what the lock file says.
if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci
    cp package-lock.json node_modules/.installed
fi

cd ../..
test=tests/interop_express.rs
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test "$@" --test interop_express -- --ignored --color never | tee "$log"

expected=$(grep -c '^#\[tokio::test' "$test")
if ! grep -q "^test result: ok. $expected passed; 0 failed; 0 ignored" "$log"; then
    echo "run.sh: not all $expected tests of $test ran" >&2
    exit 1
fi
