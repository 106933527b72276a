// Counts the figures of CONTRIBUTING.md in `src/`, and fails if one is missed.
//
// Code is every line except blank lines, comments and tests. A circle is two or more files that import each
// other; a module and its children count as one. Calls and locks are counted by hand: see the walks in
// CONTRIBUTING.md.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";

/** What is asked, and what is held until it is reached. */
const LINES = { asked: 6500, held: 9310 };
const GATES = { asked: 4, held: 4 };
const FILE = 430;
const FIELDS = 12;
/** Whose fields are the user's options. */
const EXEMPT = ["RetryPolicy"];

const list = execFileSync("git", ["ls-files", "src"], { encoding: "utf8" }).split("\n");
const files = list.filter((file) => file.endsWith(".rs") && !/(^|\/)(tests|laws|guide)(\/|\.rs$)/.test(file));
/** Without its unit tests, which come last. */
const source = new Map(
  files.map((file) => [file, readFileSync(file, "utf8").split(/^#\[cfg\(test\)\]\nmod tests \{/m)[0]]),
);
/** Without comments. */
const bare = (text) => text.replace(/^\s*(\/\/|note = ").*$/gm, "");

const isCode = (line) => line.trim() !== "" && !line.trim().startsWith("//");
const code = (text) => text.split("\n").filter(isCode).length;
const lines = [...source.values()].reduce((sum, text) => sum + code(text), 0);
const long = [...source]
  .map(([file, text]) => [file, text.trimEnd().split("\n").length])
  .filter(([, length]) => length > FILE);

const wide = [];
for (const [file, text] of source) {
  for (const [, name, body] of text.matchAll(/^(?:pub(?:\([^)]*\))? )?struct (\w+)[^;{(]*\{\n([\s\S]*?)^\}/gm)) {
    const fields = body.split("\n").filter((line) => /^ {4}(pub(\([^)]*\))? )?\w+:/.test(line)).length;
    if (fields > FIELDS && !EXEMPT.includes(name)) wide.push(`${file}: ${name} has ${fields} fields`);
  }
}

const places = (pattern) => [...source].flatMap(([file, text]) => (bare(text).match(pattern) ?? []).map(() => file));
const gates = places(/cfg(_attr)?\((not\()?feature = "client"/g);
const sends = [...new Set(places(/(\+ |: )Send\b/g))];

/** The files that a file imports, by its `use` lines. */
const module = (path) => {
  for (let parts = path.split("::"); parts.length; parts.pop()) {
    for (const file of [`src/${parts.join("/")}.rs`, `src/${parts.join("/")}/mod.rs`]) {
      if (source.has(file)) return file;
    }
  }
};
const expand = (use) => {
  const brace = use.indexOf("{");
  if (brace < 0) return [use];
  const inner = use.slice(brace + 1, use.lastIndexOf("}")).split(",");
  return inner.map((name) => use.slice(0, brace) + name.trim());
};
const imports = new Map(
  [...source].map(([file, text]) => {
    const uses = [...text.matchAll(/use crate::([^;]+);/g)].flatMap(([, use]) => expand(use.replace(/\s+/g, " ")));
    return [file, new Set(uses.map(module).filter((other) => other && other !== file))];
  }),
);
const isFamily = (a, b) => {
  const home = (file) => (file.endsWith("/mod.rs") ? dirname(file) : file.replace(/\.rs$/, ""));
  return home(a).startsWith(`${home(b)}/`) || home(b).startsWith(`${home(a)}/`);
};
const circles = new Set();
const walk = (file, way) => {
  const at = way.indexOf(file);
  if (at >= 0) return void circles.add(way.slice(at).sort().join(" · "));
  if (way.length > 8) return;
  for (const other of imports.get(file)) if (!isFamily(file, other)) walk(other, [...way, file]);
};
files.forEach((file) => walk(file, []));

const rows = [
  ["lines of code in src/", `${lines}, ${LINES.asked} asked`, lines <= LINES.held],
  [`files over ${FILE} lines`, long.map(([file, length]) => `${file} ${length}`).join(", ") || 0, !long.length],
  [`types over ${FIELDS} fields`, wide.join(", ") || 0, !wide.length],
  ["places of cfg(client)", `${gates.length}, ${GATES.asked} asked`, gates.length <= GATES.held],
  ["files that say Send", sends.join(", "), sends.length <= 1],
  ["circles", [...circles].join("; ") || 0, !circles.size],
];
rows.forEach(([what, found, holds]) => console.log(`${holds ? "ok  " : "MISS"} ${what}: ${found}`));
process.exit(rows.every(([, , holds]) => holds) ? 0 : 1);
