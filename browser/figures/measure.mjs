// Measures in the page, and leaves what it found in `window.found`: medians of seven, in milliseconds. The
// contestants take turns, so that a slow minute of the machine falls on all of them.
import { fetchEventSource } from "@microsoft/fetch-event-source";
import { createParser } from "eventsource-parser";
import start, { Body, drain, stream } from "./figures.js";

const TOKENS = 200_000, ROUNDS = 7, CHUNK = 16 * 1024;
const url = new URL(`/flood?tokens=${TOKENS}`, location).href;

/** What each contestant has to have seen: all events, and all of their data. */
const check = (name, [events, bytes], expected) => {
  if (events !== expected[0] || bytes !== expected[1]) throw new Error(`${name}: ${events} events, ${bytes} bytes`);
};

const median = (times) => [...times].sort((a, b) => a - b)[(times.length - 1) / 2];

/** The longest time between two turns of the page, in milliseconds. */
const watch = () => {
  let last = performance.now(), longest = 0;
  const { port1, port2 } = new MessageChannel();
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    port2.postMessage(0);
  };
  port1.onmessage = turn;
  port2.postMessage(0);
  return () => (port1.close(), longest);
};

const contest = async (contestants, expected) => {
  const times = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  const gaps = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  const once = async (name) => {
    const began = performance.now();
    const seen = await contestants[name]();
    const took = performance.now() - began;
    if (expected[name] ?? true) check(name, seen, expected.all);
    return took;
  };
  for (let round = -1; round < ROUNDS; round++) {
    for (const name of Object.keys(contestants)) {
      const took = await once(name);
      if (round >= 0) times[name].push(took); // the first is to warm up
    }
  }
  // In rounds without a clock: what watches the page keeps it busy.
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of Object.keys(contestants)) {
      const stop = watch();
      await once(name);
      gaps[name].push(stop());
    }
  }
  return Object.fromEntries(
    Object.keys(contestants).map((name) => [
      name,
      { median: median(times[name]), least: Math.min(...times[name]), most: Math.max(...times[name]), gap: median(gaps[name]) },
    ]),
  );
};

const measure = async () => {
  await start();
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  const body = new Body(bytes);
  const text = new TextDecoder().decode(bytes);
  const data = text.split("\n\n").filter(Boolean).map((block) => block.slice("data: ".length));
  const all = [data.length, data.reduce((sum, { length }) => sum + length, 0)];

  const parsing = await contest(
    {
      ours: () => body.parse(),
      "eventsource-parser": () => {
        let events = 0, length = 0;
        const parser = createParser({ onEvent: (event) => (events++, (length += event.data.length)) });
        const decoder = new TextDecoder();
        for (let at = 0; at < bytes.length; at += CHUNK) {
          parser.feed(decoder.decode(bytes.subarray(at, at + CHUNK), { stream: true }));
        }
        return [events, length];
      },
    },
    { all },
  );

  const streaming = await contest(
    {
      ours: () => stream(url),
      "fetch-event-source (npm)": async () => {
        let events = 0, length = 0;
        await fetchEventSource(url, {
          openWhenHidden: true,
          onmessage: (event) => void (events++, (length += event.data.length)),
          onerror: (error) => { throw error; },
        });
        return [events, length];
      },
      "bytes alone (reqwest)": () => drain(url),
    },
    { all, "bytes alone (reqwest)": false },
  );
  return { bytes: bytes.length, tokens: TOKENS, parsing, streaming };
};

measure().then((found) => (window.found = found), (error) => (window.found = { error: String(error.stack ?? error) }));
