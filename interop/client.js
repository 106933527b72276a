'use strict';

// The client under test: the unmodified `@microsoft/fetch-event-source`. The protocol is in src/lib.rs. It runs
// as its README shows, with its defaults: `onclose` throws if a clean end should be followed by another request,
// and `onerror` returns nothing, or the delay of the row.

const fs = require('node:fs');
const readline = require('node:readline');

// It is made for browsers; this is what it needs from one.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };

const { fetchEventSource } = require('@microsoft/fetch-event-source');

const ask = JSON.parse(process.argv[2]);
const controller = new AbortController();
let how;

// Flush at once, because the process may be killed after any line.
function say(what, rest) {
  fs.writeSync(1, `${JSON.stringify({ what, ...rest })}\n`);
}

function stop(why) {
  if (how === undefined) {
    how = why;
    controller.abort();
  }
}

function is(marker, message) {
  if (!marker) {
    return false;
  }
  return marker.data === undefined ? message.event === marker.type : message.data === marker.data;
}

function trouble(error) {
  const cause = error?.cause?.code ?? error?.cause?.message;
  const message = cause ? `${error.message} (${cause})` : String(error?.message ?? error);
  return { kind: error?.name ?? typeof error, status: null, body: null, message };
}

const headers = { ...ask.headers };
if (ask.last_event_id !== null) {
  headers['last-event-id'] = ask.last_event_id;
}

const options = {
  method: ask.method,
  headers,
  signal: controller.signal,
  // Reports each response; the default check stays.
  async fetch(...args) {
    const response = await fetch(...args);
    say('open', {
      status: response.status,
      version: null,
      encoding: response.headers.get('content-encoding'),
    });
    return response;
  },
  onmessage(message) {
    if (how !== undefined) {
      return;
    }
    if (is(ask.fails_at, message)) {
      throw new Error('the handler fails');
    }
    if (is(ask.until, message)) {
      stop('EndMarker');
      return;
    }
    say('event', { id: message.id, type: message.event || 'message', data: message.data });
    if (is(ask.last, message)) {
      stop('Stopped');
    }
  },
  onclose() {
    if (ask.subscribe) {
      throw new Error('closed');
    }
  },
  onerror(error) {
    say('retry', { error: trouble(error), delay_ms: null });
    return ask.base_delay_ms ?? undefined;
  },
};
if (ask.body !== null) {
  options.body = ask.body;
}
if (ask.allow_content_type !== null) {
  // There is no other way to accept another type.
  options.onopen = async (response) => {
    if (!response.ok) {
      throw new Error(`status ${response.status}`);
    }
  };
}

const limit = setTimeout(() => stop('Limit'), ask.limit_ms);
const ended = (seen, rest) => {
  clearTimeout(limit);
  say(seen, rest);
};
fetchEventSource(ask.url, options).then(
  () => ended('finished', { how: how ?? 'Ended' }),
  (error) => ended('error', trouble(error)),
);

// A line on stdin closes the source, the end of stdin ends the process; until then its connections are counted.
const stdin = readline.createInterface({ input: process.stdin });
stdin.on('line', () => stop('Aborted'));
stdin.on('close', () => process.exit(0));
