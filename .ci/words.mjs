// Words that make a sentence need a second reading. Checks tracked prose: Markdown, comments, names of
// functions, and strings in Rust, scripts and TOML. Prints each hit and what to write instead.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** [what to find, what to write]. Patterns match one sentence at a time, in lower and upper case. */
const words = [
  [/\bwho(?:so)?ever\b/, "name the subject: a reader, a caller"],
  [/\bof (?:its|their|one's|his) own\b/, "its own X, a separate X"],
  [/\bone's own\b/, "your own"],
  [/\bbut for\b/, "except"],
  [/\bat hand\b/, "available, current"],
  [/\btold\b/, "use the active verb: says, reports, gets"],
  [/\bso that one (?:can|may|must|need|does|has|is|knows|sees)\b/, "so that you, so that it"],
  [/\bnobody's\b/, "name the owner"],
  [/\b(?:he|his|him|himself)\b/, "they, the consumer"],
  [/\b(?:midst|amid|lest|thereof|whereof|beneath|befalls?|befallen|hitherto|albeit)\b/, "in the middle of, below, happens"],
  [/\b(?:what|nothing|something) (?:comes|came|becomes|became|has become) of\b/, "the result of"],
  [/\bhas to do with\b/, "concerns"],
  [/(?:^|,) ?for (?:it|they|nobody|nothing|there) (?:is|are|was|were|has|have|had|may|can|would)\b/, "because"],
  [/\bgoes? before\b(?! the)/, "overrides, takes precedence over"],
  [/(?<!\bthere )\b(?:is|are|was|were) no (?!longer|more|less|such)/, "is not a"],
  [/^(?:is|are|was|were|has|had|does|should|could) (?:it|they|there|he|one|nobody|nothing|somebody)\b[^?]*,/, "If it is …"],
  [/^where (?:it|they|there|that|one|nobody|nothing|somebody|a|an|the|no)\b[^?]*,/, "If …"],
  [/^who (?:\w+s|is|has|does|can|may|must|wants)\b(?![^]*\?)/, "name the subject: To …, If you …"],
];

/** Generated, foreign, or not prose. */
const skipped = /(^|\/)(Cargo\.lock|package-lock\.json|LICENSE-.*|.*\.(svg|stderr|gz|br|zst|zz|bin|dict))$|^fuzz\/corpus|^tests\/vectors|^tests\/compressed|^benches\/results|^api\/public-api\.txt|^\.ci\/words\.mjs$/;

/** Rare exceptions: [file, a part of the line, why]. */
const exceptions = [
  ["src/client/driver/outcome.rs", "was told open", "a private name"],
];

const files = execFileSync("git", ["ls-files"], { encoding: "utf8" }).split("\n").filter((file) => file && !skipped.test(file));

/** The prose of a file: [line number, text]. Lines of one comment or paragraph belong together. */
function prose(file, text) {
  const lines = text.split("\n");
  if (/\.md$/.test(file)) return markdown(lines);
  const comment = /\.(rs|mjs|js)$/.test(file) ? /^\s*\/\/[/!]?\s?(.*)$/ : /^\s*#(?!!|\[)\s?(.*)$/;
  const found = [];
  let before = -2;
  lines.forEach((line, index) => {
    const match = comment.exec(line);
    if (match) {
      if (before === index - 1) found.at(-1)[1] += `\n${match[1]}`;
      else found.push([index + 1, match[1]]);
      before = index;
      return;
    }
    const trailing = /\s\/\/\s(.*)$/.exec(line);
    if (trailing && !/https?:$/.test(line.slice(0, trailing.index))) found.push([index + 1, trailing[1]]);
    const name = /\bfn (\w+)/.exec(line);
    if (name) found.push([index + 1, name[1].replaceAll("_", " ")]);
    for (const [, string] of line.matchAll(/"((?:[^"\\]|\\.)*)"/g)) {
      if (/\w \w+ \w/.test(string)) found.push([index + 1, string]);
    }
  });
  return found;
}

function markdown(lines) {
  const found = [];
  let code = false;
  lines.forEach((line, index) => {
    if (/^\s*```/.test(line)) code = !code;
    else if (!code) found.push([index + 1, line]);
  });
  return found;
}

/** Code spans and quotations are somebody else's words. */
const own = (text) => text.replace(/`[^`]*`/g, "`x`").replace(/"[^"\n]*(?:\n[^"\n]*)?"/g, '"x"');
const sentences = (text) => text.split(/(?<=[.!?;:|])\s+|\n\s*\n|\n\s*[-*|] ?/).map((part) => part.replace(/\s+/g, " ").trim());

let checked = 0;
let hits = 0;
for (const file of files) {
  const text = readFileSync(file, "utf8");
  if (text.includes("\u0000")) continue;
  checked += 1;
  for (const [line, paragraph] of prose(file, text)) {
    for (const sentence of sentences(own(paragraph))) {
      for (const [word, instead] of words) {
        if (!new RegExp(word.source, "i").test(sentence)) continue;
        if (exceptions.some(([path, part]) => path === file && sentence.includes(part))) continue;
        hits += 1;
        console.error(`${file}:${line}: ${sentence.slice(0, 140)} → ${instead}`);
      }
    }
  }
}
console.log(`${checked} files read, ${hits} sentences to rewrite`);
process.exit(hits === 0 && checked > 0 ? 0 : 1);
