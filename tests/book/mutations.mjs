/* Do the browser checks see anything? A copy of a few pages is broken in one way at a time, and the check of that name must
   say so; unbroken, it must be silent.

     node tests/book/mutations.mjs [--html FOLDER] [--modules FOLDER] [--only WORD] */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { CHECKS, ROOT, check, pagesOf, start } from "./browser.mjs";

const head = (html) => (text) => text.replace("</head>", `${html}</head>`);
const last = (html) => (text) => text.replace("</body>", `${html}</body>`);
const instead = (from, to) => (text) => {
  if (!text.includes(from)) throw new Error(`this mutation has nothing to break: ${from}`);
  return text.replaceAll(from, to);
};
const ARENA = "03-arena.html", MUTEX = "08-mutex.html", LOT = "07-parking-lot.html", INDEX = "index.html", BOOK = "book.js", STYLE = "style.css", TRACE = "trace.js";

// [the check that must see it, what it must say, the pages that it looks at, the file that is broken, how]
const MUTATIONS = [
  ["loads", "uncaught", [INDEX], INDEX, head("<script>nothing.at.all();</script>")],
  ["loads", "console", [INDEX], INDEX, head("<script>console.error('no')</script>")],
  ["loads", "not loaded", [INDEX], INDEX, head('<script src="gone.js"></script>')],
  ["loads", "another place", [INDEX], INDEX, head('<img alt="" src="http://127.0.0.1:9/dot.png">')],
  ["loads", "first load", [INDEX], INDEX, last(`<!--${"x".repeat(300_000)}-->`)],
  ["loads", "shifts", [INDEX], INDEX, last("<script>setTimeout(() => document.querySelector('main').style.paddingTop = '400px', 60)</script>")],
  ["narrow", "at 320 px", [INDEX], STYLE, (text) => `${text}\nh1 { width: 350px; }`],
  ["narrow", "at 390 px", [INDEX], STYLE, (text) => `${text}\n.about { white-space: nowrap; }`],
  ["scripts off", ".pair", [MUTEX], STYLE, (text) => `${text}\n.pair > .side { display: none; }`],
  ["scripts off", ".strip", [MUTEX], STYLE, (text) => `${text}\n.strip { display: none; }`],
  ["scripts off", "button", [INDEX], INDEX, instead('<button class="theme" type="button" hidden>', '<button class="theme" type="button">')],
  ["scripts off", "nav#contents", [INDEX], INDEX, instead('id="contents"', 'id="gone"')],
  ["theme", "forgotten", [INDEX, ARENA, MUTEX], BOOK, instead("localStorage.setItem", "void")],
  ["theme", "changes nothing", [INDEX, ARENA, MUTEX], STYLE, instead(':root[data-theme="dark"]', ".gone")],
  ["theme", "not followed", [INDEX, ARENA, MUTEX], STYLE, instead("color-scheme: light dark", "color-scheme: light")],
  ["pairs", "on another page", [LOT, MUTEX], BOOK, instead("localStorage.setItem", "void")],
  ["pairs", "Port chosen", [LOT, MUTEX], STYLE, instead("data-show", "data-gone")],
  ["pairs", "hidden side", [LOT, MUTEX], BOOK, instead('addEventListener("hashchange"', 'addEventListener("gone"')],
  ["in place", "can be opened", [ARENA], BOOK, instead('"aria-expanded"', '"data-gone"')],
  ["in place", "opens nothing", [ARENA], STYLE, (text) => `${text}\n.inset { display: none !important; }`],
  ["search", "does not find", [INDEX], "search.js", instead("PYTHONHASHSEED", "PYTHONHOSE")],
  ["steppers", "no stage", [ARENA], TRACE, instead("figure.prepend(stage)", "void stage")],
  ["steppers", "by itself", [ARENA], TRACE, instead("    show(0);\n  }", "    show(0);\n    setTimeout(() => show(1), 100);\n  }")],
  ["steppers", "arrow key", [ARENA], TRACE, instead("ArrowRight", "F9")],
  ["steppers", "nothing moves", [ARENA], TRACE, instead("parts(pictures[at]).forEach", "parts(pictures[0]).forEach")],
  ["steppers", "screen reader", [ARENA], TRACE, instead("aria-live", "data-gone")],
  ["steppers", "no motion", [ARENA], STYLE, instead("@media (prefers-reduced-motion: no-preference)", "@media all")],
  ["steppers", "on paper", [ARENA], STYLE, instead("  .stage { display: none; }", "")],
  ["keyboard", "does not show", [MUTEX], MUTEX, instead('class="skip"', 'class="skip" tabindex="-1"')],
  ["keyboard", "cannot be seen", [MUTEX], STYLE, (text) => `${text}\n:focus-visible { outline: none !important; box-shadow: none !important; }`],
  ["axe, light", "image-alt", [INDEX], INDEX, last('<img src="fonts/none.png">')],
  ["axe, light", "color-contrast", [INDEX], STYLE, (text) => `${text}\nbody { color: #ddd !important; background: #fff !important; }`],
  ["axe, light", "link-name", [INDEX], INDEX, last('<a href="index.html"></a>')],
  ["axe, dark", "color-contrast", [INDEX], STYLE, (text) => `${text}\n@media (prefers-color-scheme: dark) { .about { color: #333 !important; } }`],
];

async function main() {
  const words = process.argv.slice(2), value = (flag, other) => (words.includes(flag) ? words[words.indexOf(flag) + 1] : other);
  const from = resolve(value("--html", join(ROOT, "build/book/html"))), only = value("--only", "");
  if (!existsSync(join(from, INDEX))) throw new Error(`no pages in ${from}: run make weave first`);
  const tools = await start(resolve(value("--modules", join(ROOT, "build/browser"))));
  const folder = join(mkdtempSync(join(tmpdir(), "groundfloor-")), "html");
  process.on("SIGINT", () => tools.browser.close().finally(() => { rmSync(join(folder, ".."), { recursive: true }); process.exit(130); }));
  cpSync(from, folder, { recursive: true });
  const began = Date.now(), sound = new Map();
  let failed = 0;
  for (const [word, says, pages, file, broken] of MUTATIONS.filter(([w]) => w.includes(only))) {
    const name = Object.keys(CHECKS).find((n) => n.startsWith(word));
    const looked = async () => check(name, pagesOf(folder, tools, pages));
    const before = sound.get(name + pages) ?? await looked();
    sound.set(name + pages, before);
    const path = join(folder, file), text = readFileSync(path, "utf8");
    writeFileSync(path, broken(text));
    const faults = await looked();
    writeFileSync(path, text);
    const seen = faults.some((fault) => fault.includes(says)) && !before.some((fault) => fault.includes(says));
    if (!seen) {
      failed++;
      console.log(`FAIL ${word}, "${says}", in a broken ${file}: ${before.some((f) => f.includes(says)) ? "said of the sound pages too" : `not seen; it says ${JSON.stringify(faults.slice(0, 3))}`}`);
    }
  }
  rmSync(join(folder, ".."), { recursive: true });
  await tools.browser.close();
  console.log(`${failed ? "FAIL" : "ok  "} browser checks: ${MUTATIONS.length} ways to break the pages, ${failed} not seen (${((Date.now() - began) / 1000).toFixed(0)} s)`);
  return failed ? 1 : 0;
}

main().then((code) => process.exit(code), (error) => { console.error(`mutations: ${error.message}`); process.exit(2); });
