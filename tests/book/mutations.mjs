/* Do the browser checks see anything? Small pages, cut out of the book's, are broken in one way at a time, and the check of
   that name must say so; unbroken, it must be silent.

     node tests/book/mutations.mjs [--html FOLDER] [--modules FOLDER] [--only WORD] */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { CHECKS, ROOT, check, pagesOf, start } from "./browser.mjs";

const head = (html) => (text) => text.replace("</head>", `${html}</head>`);
const last = (html) => (text) => text.replace("</body>", `${html}</body>`);
const more = (css) => (text) => `${text}\n${css}`;
const instead = (from, to) => (text) => {
  if (!text.includes(from)) throw new Error(`this mutation has nothing to break: ${from}`);
  return text.replaceAll(from, to);
};
const ARENA = "03-arena.html", MUTEX = "10-mutex.html", LOT = "09-parking-lot.html", INDEX = "index.html", BOOK = "book.js", STYLE = "style.css", TRACE = "trace.js";

// What a small page keeps of the book's: the first of each of these that the article holds, and the chunks that their code names.
const KEPT = { [ARENA]: ["figure.trace", "figure.code:has(a.ref)"], [MUTEX]: [".pair", ".claim"], [LOT]: [".pair"], [INDEX]: [".title-page", "h2", ".toc"] };
const PATIENCE = 4000;      // milliseconds that a check waits on a broken page

// [the check that must see it, what it must say, the pages that it looks at, the file that is broken, how]
const MUTATIONS = [
  ["loads", "uncaught", [INDEX], INDEX, head("<script>nothing.at.all();</script>")],
  ["loads", "console", [INDEX], INDEX, head("<script>console.error('no')</script>")],
  ["loads", "not loaded", [INDEX], INDEX, head('<script src="gone.js"></script>')],
  ["loads", "another place", [INDEX], INDEX, head('<img alt="" src="http://127.0.0.1:9/dot.png">')],
  ["loads", "first load", [INDEX], INDEX, last(`<!--${"x".repeat(300_000)}-->`)],
  ["loads", "shifts", [INDEX], INDEX, last("<script>onload = () => setTimeout(() => document.querySelector('main').style.paddingTop = '400px', 60)</script>")],
  ["narrow", "at 320 px", [INDEX], STYLE, more("h1 { width: 350px; }")],
  ["narrow", "at 390 px", [INDEX], STYLE, more(".about { white-space: nowrap; }")],
  ["scripts off", ".pair", [MUTEX], STYLE, more(".pair > .side { display: none; }")],
  ["scripts off", ".strip", [ARENA], STYLE, more(".strip { display: none; }")],
  ["scripts off", "button", [INDEX], INDEX, instead('class="theme" type="button" hidden', 'class="theme" type="button"')],
  ["scripts off", "nav#contents", [INDEX], INDEX, instead('id="contents"', 'id="gone"')],
  ["theme", "forgotten", [INDEX, ARENA], BOOK, instead("localStorage.setItem", "void")],
  ["theme", "changes nothing", [INDEX], STYLE, instead(':root[data-theme="dark"]', ".gone")],
  ["theme", "not followed", [INDEX], STYLE, instead("color-scheme: light dark", "color-scheme: light")],
  ["pairs", "on another page", [LOT, MUTEX], BOOK, instead("localStorage.setItem", "void")],
  ["pairs", "Port chosen", [LOT, MUTEX], STYLE, instead("data-show", "data-gone")],
  ["pairs", "hidden side", [LOT, MUTEX], BOOK, instead('addEventListener("hashchange"', 'addEventListener("gone"')],
  ["tests", "not folded", [MUTEX], BOOK, instead('fold.open = value === "shown"', "fold.open = true")],
  ["tests", "the key t", [MUTEX], BOOK, instead('event.key !== "t"', 'event.key !== "F9"')],
  ["tests", "forgotten", [MUTEX], BOOK, instead('store("tests"', 'void ("tests"')],
  ["tests", "old address", [MUTEX], "08-mutex.html", instead("location.replace", "void")],
  ["in place", "can be opened", [ARENA], BOOK, instead('"aria-expanded"', '"data-gone"')],
  ["in place", "opens nothing", [ARENA], STYLE, more(".inset { display: none !important; }")],
  ["in place", "does not close", [ARENA], BOOK, instead("link.inset?.remove()", "void link")],
  ["search", "does not find", [INDEX], "search.js", instead("PYTHONHASHSEED", "PYTHONHOSE")],
  ["steppers", "no stage", [ARENA], TRACE, instead("figure.prepend(stage)", "void stage")],
  ["steppers", "by itself", [ARENA], TRACE, instead("    show(0);\n  }", "    show(0);\n    setTimeout(() => show(1), 100);\n  }")],
  ["steppers", "arrow key", [ARENA], TRACE, instead("ArrowRight", "F9")],
  ["steppers", "nothing moves", [ARENA], TRACE, instead("parts(pictures[at]).forEach", "parts(pictures[0]).forEach")],
  ["steppers", "screen reader", [ARENA], TRACE, instead("aria-live", "data-gone")],
  ["steppers", "no motion", [ARENA], STYLE, instead("@media (prefers-reduced-motion: no-preference)", "@media all")],
  ["steppers", "on paper", [ARENA], STYLE, instead("  .stage { display: none; }", "")],
  ["keyboard", "does not show", [MUTEX], MUTEX, instead('class="skip"', 'class="skip" tabindex="-1"')],
  ["keyboard", "cannot be seen", [MUTEX], STYLE, more(":focus-visible { outline: none !important; box-shadow: none !important; }")],
  ["axe, light", "image-alt", [INDEX], INDEX, last('<img src="fonts/none.png">')],
  ["axe, light", "color-contrast", [INDEX], STYLE, more("body { color: #ddd !important; background: #fff !important; }")],
  ["axe, light", "link-name", [INDEX], INDEX, last('<a href="index.html"></a>')],
  ["axe, dark", "color-contrast", [INDEX], STYLE, more("@media (prefers-color-scheme: dark) { .about { color: #333 !important; } }")],
];

/* The book's pages cut down, and what they load; in `folder`. */
async function cut(tools, from, folder) {
  mkdirSync(folder);
  for (const name of readdirSync(from)) if (!(name in KEPT)) symlinkSync(join(from, name), join(folder, name));
  const context = await tools.browser.newContext({ javaScriptEnabled: false }), page = await context.newPage();
  for (const [name, kept] of Object.entries(KEPT)) {
    await page.goto(pathToFileURL(join(from, name)).href);
    writeFileSync(join(folder, name), await page.evaluate((selectors) => {
      const article = document.querySelector("article"), parts = selectors.map((selector) => article.querySelector(selector)).filter(Boolean);
      for (const part of parts) {       // grows as it is read
        for (const ref of part.querySelectorAll("pre a.ref[href^='#']")) {
          const figure = document.getElementById(ref.hash.slice(1));
          if (figure && !parts.some((other) => other.contains(figure))) parts.push(figure);
        }
      }
      article.replaceChildren(article.querySelector("h1"), ...parts);
      for (const list of document.querySelectorAll(".toc, .rail ol")) while (list.children.length > 5) list.lastChild.remove();
      return `<!DOCTYPE html>\n${document.documentElement.outerHTML}`;
    }, kept));
  }
  await context.close();
}

/* A folder like another, with one file broken. */
function breakOne(sound, folder, file, broken) {
  mkdirSync(folder);
  for (const name of readdirSync(sound)) symlinkSync(join(sound, name), join(folder, name));
  const text = broken(readFileSync(join(sound, file), "utf8"));
  unlinkSync(join(folder, file));
  writeFileSync(join(folder, file), text);
  return folder;
}

async function main() {
  const words = process.argv.slice(2), value = (flag, other) => (words.includes(flag) ? words[words.indexOf(flag) + 1] : other);
  const from = resolve(value("--html", join(ROOT, "build/book/html"))), only = value("--only", "");
  if (!existsSync(join(from, INDEX))) throw new Error(`no pages in ${from}: run make weave first`);
  const tools = await start(resolve(value("--modules", join(ROOT, "build/browser"))));
  const room = mkdtempSync(join(tmpdir(), "groundfloor-")), sound = join(room, "sound");
  const away = () => rmSync(room, { recursive: true, force: true });
  process.on("SIGINT", () => tools.browser.close().finally(() => { away(); process.exit(130); }));
  const began = Date.now(), before = new Map();
  const checkOf = (word) => Object.keys(CHECKS).find((name) => name.startsWith(word)), wanted = MUTATIONS.filter(([word]) => checkOf(word).includes(only));
  let failed = 0;
  try {
    await cut(tools, from, sound);
    await Promise.all(wanted.map(async ([word, says, names, file, broken], i) => {
      const name = checkOf(word), key = name + names;
      const unbroken = await (before.get(key) ?? before.set(key, check(name, pagesOf(sound, tools, [name], { names }))).get(key));
      const faults = await check(name, pagesOf(breakOne(sound, join(room, String(i)), file, broken), tools, [name], { names, patience: PATIENCE }));
      if (unbroken.length || !faults.some((fault) => fault.includes(says))) {
        failed++;
        console.log(`FAIL ${word}, "${says}", in a broken ${file}: ${unbroken.length ? `of the sound pages it says ${JSON.stringify(unbroken.slice(0, 3))}` : `not seen; it says ${JSON.stringify(faults.slice(0, 3))}`}`);
      }
    }));
  } finally {
    away();
    await tools.browser.close();
  }
  console.log(`${failed ? "FAIL" : "ok  "} browser checks: ${wanted.length} ways to break the pages, ${failed} not seen (${((Date.now() - began) / 1000).toFixed(0)} s)`);
  return failed ? 1 : 0;
}

main().then((code) => process.exit(code), (error) => { console.error(`mutations: ${error.message}`); process.exit(2); });
