// Drives Chromium by WebDriver: uses the example page, or waits for what is measured.
//
//   node drive.mjs page URL SCREENSHOT
//   node drive.mjs figures URL
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const [what, url, screenshot] = process.argv.slice(2);
const driver = spawn("/usr/bin/chromedriver", ["--port=0"], { stdio: ["ignore", "pipe", "inherit"] });
const port = await new Promise((resolve, reject) => {
  driver.on("exit", () => reject(new Error("chromedriver ended")));
  driver.stdout.on("data", (text) => {
    const found = /started successfully on port (\d+)/.exec(text);
    if (found) resolve(found[1]);
  });
});

let session = "";
/** A command of WebDriver. */
const command = async (method, path, body) => {
  const response = await fetch(`http://127.0.0.1:${port}/session${session}${path}`, {
    method,
    body: body && JSON.stringify(body),
  });
  const { value } = await response.json();
  if (value?.error) throw new Error(`${value.error}: ${value.message}`);
  return value;
};
const run = (script) => command("POST", "/execute/sync", { script, args: [] });
/** What the script returns, as soon as it is true. */
const until = async (what, script, seconds = 20) => {
  for (let tries = 0; tries < seconds * 20; tries++) {
    const value = await run(script);
    if (value) return value;
    await sleep(50);
  }
  throw new Error(`never: ${what}`);
};

const args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=760,720"];
const capabilities = { alwaysMatch: { "goog:chromeOptions": { binary: "/usr/bin/chromium", args } } };
const { sessionId } = await command("POST", "", { capabilities });
session = `/${sessionId}`;

const count = "Number(document.getElementById('count').textContent)";
const lines = "[...document.querySelectorAll('#lines li')].map((line) => line.textContent).reverse()";
const book = async () => (await fetch(new URL("/book?name=page", url))).json();

/** The page is used: events, a cut and the resumption, hide and show, the buttons. */
const page = async () => {
  const check = (holds, what) => {
    if (!holds) throw new Error(what);
    console.log(`ok: ${what}`);
  };
  await until("a cut and the resumption", `return ${count} >= 7`);
  await command("POST", "/window/minimize", {});
  await until("a hidden page", "return document.hidden");
  await sleep(300);
  check((await book()).open === 0, "a page that is hidden has no connection");
  const seen = await run(`return ${count}`);
  await sleep(1000);
  check((await run(`return ${count}`)) === seen, "and no events");
  await command("POST", "/window/rect", { width: 760, height: 720 });
  await until("a page that is shown", "return !document.hidden");
  await until("events again", `return ${count} > ${seen}`);
  check(true, "a page that is shown goes on");
  const before = (await book()).requests.length;
  await run("window.dispatchEvent(new Event('online'))");
  await until("events after online", `return ${count} > ${seen + 3}`);
  check((await book()).requests.length > before, "a machine that is online again connects at once");
  const told = await run(`return ${lines}`);
  const numbers = told.map((line) => /^(\d+) number \1$/.exec(line)?.[1]).filter(Boolean).map(Number);
  check(numbers.every((number, at) => number === at + 1), `events 1 to ${numbers.length}, each once and in order`);
  check((await book()).most_open === 1, "one connection at a time");
  await writeFile(screenshot, await command("GET", "/screenshot"), "base64");
  await run("document.getElementById('close').click()");
  await until("a closed source", `return ${lines}.at(-1) === 'the source is closed'`);
  await sleep(200);
  check((await book()).open === 0, "closed for good");
};

const figures = async () => {
  const found = await until("figures", "return window.found", 300);
  if (found.error) throw new Error(found.error);
  const { browserVersion } = await command("GET", "", undefined).catch(() => ({}));
  console.log(`${(found.bytes / 1e6).toFixed(1)} MB, ${found.tokens} tokens${browserVersion ? `, Chromium ${browserVersion}` : ""}; medians of 7`);
  for (const [part, rows] of [["parsing from memory", found.parsing], ["end to end", found.streaming]]) {
    console.log(`\n| ${part} | ms | least..most | MB/s | longest gap of the page, ms |\n|---|--:|--:|--:|--:|`);
    for (const [name, { median, least, most, gap }] of Object.entries(rows)) {
      const speed = found.bytes / 1e3 / median;
      console.log(`| ${name} | ${median.toFixed(0)} | ${least.toFixed(0)}..${most.toFixed(0)} | ${speed.toFixed(0)} | ${gap.toFixed(0)} |`);
    }
  }
  const times = (rows, name) => rows[name].median / rows.ours.median;
  const goals = [
    ["parsing, times eventsource-parser", times(found.parsing, "eventsource-parser"), 2, true],
    ["end to end, times the npm package", times(found.streaming, "fetch-event-source (npm)"), 3, true],
    ["longest gap of the page under a flood, ms", found.streaming.ours.gap, 50, false],
  ];
  console.log();
  let missed = false;
  for (const [name, value, goal, atLeast] of goals) {
    const holds = atLeast ? value >= goal : value <= goal;
    missed ||= !holds;
    console.log(`${holds ? "ok  " : "MISS"} ${name}: ${value.toFixed(1)}, goal ${atLeast ? "≥" : "≤"} ${goal}`);
  }
  if (missed) throw new Error("a goal is missed");
};

try {
  await command("POST", "/url", { url });
  await { page, figures }[what]();
} catch (error) {
  if (what === "page") console.error((await run(`return ${lines}`).catch(() => [])).join("\n"));
  console.error(String(error.message ?? error));
  process.exitCode = 1;
} finally {
  await command("DELETE", "").catch(() => {});
  driver.removeAllListeners("exit");
  driver.kill();
}
