// Links in the repository's Markdown: relative ones must lead to a file that git has, and anchors to
// a heading; those to the guide on docs.rs, to one of its pages. Nothing is fetched. The guide's own
// files are rustdoc's to check.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const list = (...args) => execFileSync("git", ["ls-files", ...args], { encoding: "utf8" }).split("\n").filter(Boolean);
const files = list("*.md").filter((file) => !file.startsWith("src/"));
const tracked = new Set(list());
const folder = (path) => [...tracked].some((file) => file.startsWith(path.replace(/\/?$/, "/")));

const withoutCode = (text) => text.replace(/^(```|~~~)[\s\S]*?^\1/gm, "").replace(/`[^`\n]*`/g, "");
/** As GitHub names them. */
const anchor = (heading) =>
  heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replace(/\s/g, "-");
const anchors = (file) => {
  const text = readFileSync(file, "utf8").replace(/^(```|~~~)[\s\S]*?^\1/gm, "");
  return new Set([...text.matchAll(/^#+\s+(.*)$/gm)].map(([, heading]) => anchor(heading)));
};

const pages = new Set([...readFileSync("src/guide/mod.rs", "utf8").matchAll(/^pub mod (\w+)/gm)].map(([, name]) => name));
const guide = /^https:\/\/docs\.rs\/fetch-event-source\/[^/]+\/fetch_event_source\/guide\/(\w+)/;

function fault(file, link) {
  const page = guide.exec(link)?.[1];
  if (page) return pages.has(page) ? null : `the guide has no page ${page}`;
  if (/^[a-z]+:/i.test(link)) return null;
  const [path, hash] = link.split("#");
  const target = path ? normalize(join(dirname(file), decodeURIComponent(path))) : file;
  if (!tracked.has(target) && !folder(target)) return `git has no ${target}`;
  if (hash && existsSync(target) && !anchors(target).has(hash)) return `${target} has no heading #${hash}`;
  return null;
}

let checked = 0;
let faults = 0;
for (const file of files) {
  const text = withoutCode(readFileSync(file, "utf8"));
  const links = [...text.matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g), ...text.matchAll(/^\[[^\]]+\]:\s*(\S+)/gm)];
  for (const [, link] of links) {
    checked += 1;
    const why = fault(file, link);
    if (why === null) continue;
    faults += 1;
    console.error(`${file}: ${link}: ${why}`);
  }
}
console.log(`${checked} links in ${files.length} files, ${faults} broken`);
process.exit(faults === 0 && checked > 0 ? 0 : 1);
