'use strict';

// The text of event n: the same in each server and in the harness (src/bin/interop/ledger.rs).

const contents = ['hello', 'γειά σου', 'こんにちは', '🚀 two\nlines'];

exports.text = (n) => `${n} ${contents[n % contents.length]}`;
