/* The woven pages in a browser: Debian's Chromium, driven by playwright-core; axe-core looks for what keeps readers out.

     node tests/book/browser.mjs [--html FOLDER] [--modules FOLDER] [--only WORD] [--list]

   Pages are opened as files, as a reader without a server would. Each check yields one line for each fault. What needs no browser
   (links, ids, excerpts, PDF, EPUB) is in check_pages.py. tests/book/mutations.mjs breaks a copy of the pages in each way
   and sees that the check of that name says so. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const WIDE = { width: 1440, height: 900 };
const FIRST_LOAD = 300_000;     // bytes of a page's first load, fonts aside
const SHIFT = 0.1;              // layout shift: what Lighthouse calls good
const SLOW = 8000;              // milliseconds until loaded, on a machine that is busy
const STILL = { reducedMotion: "reduce" };

// What a reader would type, and where one of the first ten answers must lead.
const SEARCHES = [
  ["_PyParkingLot_Park", "09-parking-lot"], ["barging", "10-mutex"], ["TIME_TO_BE_FAIR_NS", "10-mutex"], ["siphash", "04-hashing"],
  ["PYTHONHASHSEED", "05-hash-secret"], ["sequence lock", "16-readers-writers"], ["PyCriticalSection2", "17-critical-sections"],
  ["oversize block", "03-arena"], ["once flag", "15-events"], ["gh-148820", "12-taking-turns|07-sleeping"], ["PyThread_tss_create", "20-storage"],
  ["stack size", "06-starting"],
];

const short = (text) => text.replace(/\s+/g, " ").slice(0, 160);

/* So many pages are at work at once as there are cores; the others wait for their turn. */
export class Turns {
  constructor(size) { this.size = this.free = size; this.waiting = []; }
  async take(work) {
    if (this.free) this.free--;
    else await new Promise((turn) => this.waiting.push(turn));
    try {
      return await work();
    } finally {
      if (this.waiting.length) this.waiting.shift()();
      else this.free++;
    }
  }
}

async function open(book, options) {
  const context = await book.browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(book.patience);
  page.setDefaultNavigationTimeout(30_000);
  page.faults = [];
  page.asked = [];
  page.on("console", (message) => { if (message.type() === "error") page.faults.push(`console: ${short(message.text())}`); });
  page.on("pageerror", (error) => page.faults.push(`uncaught: ${short(error.message)}`));
  page.on("request", (request) => page.asked.push(request.url()));
  page.on("requestfailed", (request) => page.faults.push(`not loaded: ${request.url().split("/").pop()}`));
  return page;
}

/* Open a page, look at it, close it. */
const using = (book, name, options, look) => book.turns.take(async () => {
  const page = await open(book, options);
  try {
    await page.goto(book.url(name));
    return await look(page);
  } finally {
    await page.context().close();
  }
});

/* Each of the pages in turn, several side by side, in windows that stay open; whatever goes wrong on a page is a fault of that page. */
async function each(book, names, options, look) {
  const faults = [], queue = [...names];
  await Promise.all(Array.from({ length: Math.min(book.turns.size, names.length) }, async () => {
    let page;
    for (let name = queue.shift(); name; name = queue.shift()) {
      await book.turns.take(async () => {
        try {
          page ??= await open(book, options);
          Object.assign(page, { faults: [], asked: [] });
          await page.goto(book.url(name));
          for (const fault of await look(page, name)) faults.push(`${name}: ${fault}`);
        } catch (error) {
          faults.push(`${name}: ${short(error.message)}`);
          await page?.context().close().catch(() => {});
          page = null;
        }
      });
    }
    await page?.context().close();
  }));
  return faults.sort();
}

const has = (book, word) => book.names.filter((name) => book.text(name).includes(word));

/* One visit to each page serves four checks: loading, axe in the light theme and in the dark one, narrow screens. */
const VISITS = {
  loads: loading,
  light: (book, page) => violations(page),
  async dark(book, page) {
    await page.emulateMedia({ colorScheme: "dark" });
    return contrast(page, book.known);
  },
  narrow: (book, page) => narrowing(page),
};

function visits(book) {
  return book.visited ??= (async () => {
    const seen = { loads: [], narrow: [], light: [], dark: [] }, times = [];
    const broken = await each(book, book.names, { ...STILL, colorScheme: "light" }, async (page, name) => {
      let axed = false;
      for (const kind of book.kinds) {
        if ((kind === "light" || kind === "dark") && !axed) await page.evaluate(book.axe).then(() => { axed = true; });
        seen[kind].push(...(await VISITS[kind](book, page, name, times)).map((fault) => `${name}: ${fault}`));
      }
      const { faults } = page;
      await page.goto("about:blank");
      await page.setViewportSize(WIDE);
      await page.emulateMedia({ colorScheme: "light" });
      return faults;
    });
    seen.loads.push(...broken);
    const middle = (key) => Math.round(times.map((t) => t[key]).sort((a, b) => a - b)[times.length >> 1]);
    const worst = (key) => times.reduce((a, b) => (b[key] > a[key] ? b : a));
    if (times.length) {
      book.note = `first load: median ${middle("weight") >> 10} KB, heaviest ${worst("weight").name} with ${worst("weight").weight >> 10} KB; `
        + `largest contentful paint: median ${middle("painted")} ms; loaded: median ${middle("loaded")} ms, slowest ${Math.round(worst("loaded").loaded)} ms`;
    }
    return seen;
  })();
}

async function loading(book, page, name, times) {
  const found = await page.evaluate(async () => {
    const shifts = [], paints = [], keep = (type, into) => new PerformanceObserver((list) => into.push(...list.getEntries())).observe({ type, buffered: true });
    keep("layout-shift", shifts);
    keep("largest-contentful-paint", paints);
    await new Promise((done) => setTimeout(() => requestAnimationFrame(() => setTimeout(done, 60)), 140));
    return { loaded: performance.getEntriesByType("navigation")[0].loadEventEnd, shift: shifts.reduce((sum, s) => sum + s.value, 0), painted: paints.at(-1)?.startTime ?? 0 };
  });
  const asked = [...new Set(page.asked)], local = asked.filter((url) => url.startsWith(book.base));
  const weight = local.filter((url) => !url.endsWith(".woff2")).map((url) => fileURLToPath(url.split("#")[0]))
    .reduce((sum, path) => sum + (existsSync(path) ? statSync(path).size : 0), 0);
  times.push({ name, weight, ...found });
  const out = asked.filter((url) => !local.includes(url) && !/^(data|blob):/.test(url)).map((url) => `asks another place: ${short(url)}`);
  if (weight >= FIRST_LOAD) out.push(`first load of ${weight} bytes`);
  if (found.shift >= SHIFT) out.push(`the page shifts by ${found.shift.toFixed(3)} while it loads`);
  if (found.loaded >= SLOW) out.push(`loaded after ${Math.round(found.loaded)} ms`);
  return out;
}

async function narrowing(page) {
  const out = [];
  for (const width of [390, 320]) {
    await page.setViewportSize({ width, height: 800 });
    const wide = await page.evaluate(() => {
      const room = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth <= room) return null;
      const scrolls = (e) => e && e !== document.body && (/auto|scroll|hidden|clip/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
      const guilty = [...document.querySelectorAll("body *")].find((e) => e.getBoundingClientRect().right > room + 1 && !scrolls(e.parentElement));
      return guilty ? `${guilty.tagName.toLowerCase()}.${guilty.className}, "${guilty.textContent.slice(0, 50)}", in #${(guilty.closest("[id]") || {}).id}` : "something";
    });
    if (wide) out.push(`at ${width} px the page scrolls sideways: ${wide}`);
  }
  return out;
}

const AXE = { preload: false, iframes: false, resultTypes: ["violations"] };
const told = (found) => found.violations.map((v) => `${v.id}, ${v.nodes.length} times: ${v.help}; the first: ${short(v.nodes[0].html)}`);
const violations = async (page) => told(await page.evaluate((how) => axe.run(document, how), AXE));

/* Contrast, of each kind of text where it is first met in the book: the same colours, size and weight are not measured twice.
   Where the light theme was looked at whole, this is enough for the dark one. */
async function contrast(page, known) {
  const [found, kinds] = await page.evaluate(async ([how, old]) => {
    const fresh = new Map(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text; (text = walker.nextNode());) {
      const e = text.parentElement;
      if (!text.data.trim() || !e.getClientRects().length) continue;
      const style = getComputedStyle(e), kind = [e.localName === "a" && getComputedStyle(e.parentElement).color, style.color, style.fontSize, style.fontWeight, style.opacity, style.textDecorationLine];
      for (let on = e; on; on = on.parentElement) {
        const under = getComputedStyle(on).backgroundColor;
        if (under !== "rgba(0, 0, 0, 0)") kind.push(under);
        if (under.startsWith("rgb(")) break;
      }
      if (!old.includes(String(kind)) && !fresh.has(String(kind))) fresh.set(String(kind), e);
    }
    const looked = fresh.size ? await axe.run({ include: [...fresh.values()] }, { ...how, runOnly: ["color-contrast", "link-in-text-block"] }) : { violations: [] };
    return [looked, [...fresh.keys()]];
  }, [AXE, [...known]]);
  kinds.forEach((kind) => known.add(kind));
  return told(found);
}

const visit = (kind) => Object.assign(async (book) => (await visits(book))[kind], { kind });

/* What a reader without scripts must find shown, and must not. */
const scriptsOff = (book) => each(book, book.names, { javaScriptEnabled: false }, async (page) => [...page.faults, ...await page.evaluate(() => {
  const out = [], all = (what) => [...document.querySelectorAll(what)], shown = (e) => e.checkVisibility({ visibilityProperty: true });
  for (const what of ["article h1", "nav#contents a"]) if (!all(what).some(shown)) out.push(`no ${what} without scripts`);
  for (const what of [".pair > .side", "figure.trace .strip > li", "figure.code > pre"]) {
    const hidden = all(what).filter((e) => !shown(e) && !e.closest("details:not(.tests)")).length;
    if (hidden) out.push(`${hidden} ${what} hidden without scripts`);
  }
  for (const what of ["button", "fieldset", "input", "dialog"]) if (all(what).some(shown)) out.push(`${what} shown that does nothing without scripts`);
  return out;
})]);

const paper = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

async function theme(book) {
  const out = [], [first, ...others] = book.names.length > 3 ? ["index.html", "03-arena.html", "10-mutex.html"] : book.names;
  const dark = await using(book, first, { ...STILL, colorScheme: "light" }, async (page) => {
    const light = await paper(page);
    await page.click("button.theme");
    const chosen = await paper(page);
    if (light === chosen) out.push("the button changes nothing");
    for (const next of others) {
      await page.goto(book.url(next));
      if (await paper(page) !== chosen) out.push(`${next} has forgotten the theme`);
    }
    return chosen;
  });
  await using(book, first, { ...STILL, colorScheme: "dark" }, async (page) => {
    if (await paper(page) !== dark) out.push("the system's preference is not followed");
  });
  return out;
}

async function pairs(book) {
  const out = [], names = has(book, 'class="pair"');
  if (names.length < 2) return ["fewer than two pages have pairs"];
  await using(book, names[0], STILL, async (page) => {
    const sides = () => page.evaluate(() => [...document.querySelector(".pair").querySelectorAll(".side")].map((s) => s.getClientRects().length > 0));
    const choose = (value) => page.check(`fieldset.switch input[value=${value}]`, { force: true });
    const expect = async (where, wanted) => {
      const is = await sides();
      if (String(is) !== String(wanted)) out.push(`${where}: upstream ${is[0] ? "shown" : "hidden"}, port ${is[1] ? "shown" : "hidden"}`);
    };
    await expect("at first", [true, true]);
    await choose("port");
    await expect("Port chosen", [false, true]);
    await page.goto(book.url(names[1]));
    await expect("Port chosen, on another page", [false, true]);
    await choose("upstream");
    await expect("Upstream chosen", [true, false]);
    await page.reload();
    await expect("Upstream chosen, loaded again", [true, false]);
    const hidden = await page.evaluate(() => { location.hash = document.querySelector(".pair .right figure[id]").id; return location.hash.slice(1); });
    await page.locator(`[id="${hidden}"]`).waitFor({ state: "visible" }).catch(() => out.push("a link into the hidden side does not show it"));
    await choose("both");
    await expect("Both chosen", [true, true]);
  });
  return out;
}

const inPlace = (book) => each(book, ["03-arena.html", "10-mutex.html"].filter((name) => book.names.includes(name)), STILL, async (page) => {
  const out = [], first = page.locator("pre a.ref[aria-expanded]:visible").first();
  if (!(await first.count())) return [...page.faults, "no chunk's name can be opened"];
  const inset = page.locator("span.inset").first();
  await first.focus();
  await page.keyboard.press("Enter");
  await inset.waitFor({ state: "visible" }).catch(() => out.push("Enter opens nothing"));
  if (out.length) return out;
  if (await first.getAttribute("aria-expanded") !== "true") out.push("aria-expanded does not say that it is open");
  if (!(await inset.innerText()).trim()) out.push(`what opens is empty (${await first.getAttribute("href")})`);
  const inner = page.locator("span.inset a.ref[aria-expanded]").first();
  if (await inner.count()) {
    await inner.focus();
    await page.keyboard.press("Enter");
    await page.locator("span.inset span.inset").first().waitFor({ state: "visible" }).catch(() => out.push("nothing opens within what was opened"));
  }
  await first.focus();
  await page.keyboard.press("Enter");
  await inset.waitFor({ state: "hidden" }).catch(() => out.push("it does not close again"));
  return [...out, ...page.faults];
});

const search = (book) => using(book, book.names[book.names.length > 1 ? book.names.indexOf("index.html") : 0], STILL, async (page) => {
  const out = [], input = page.locator("dialog.search input[role=combobox]");
  await page.keyboard.press("/");
  await input.waitFor({ state: "visible" });
  for (const [i, [words, where]] of SEARCHES.entries()) {
    await input.fill(words);
    await page.waitForFunction((pattern) => [...document.querySelectorAll("dialog.search a[role=option]")].slice(0, 10)
      .some((a) => new RegExp(pattern).test(a.getAttribute("href"))), where, { timeout: i ? book.patience : 30_000 })      // the first word waits for the index
      .catch(() => out.push(`"${words}" does not find ${where} among the first ten`));
  }
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => !url.pathname.endsWith("/index.html")).catch(() => out.push("Enter does not lead to what was found"));
  return [...out, ...page.faults];
});

async function steppers(book) {
  const names = has(book, 'class="drawing trace"');
  if (names.length < book.figures) return [`${names.length} pages have a moving figure, not ${book.figures}`];
  return each(book, names, {}, async (page) => {
    const out = [];
    for (const figure of await page.locator("figure.trace").all()) {
      const id = await figure.getAttribute("id");
      const say = (what) => out.push(`#${id}: ${what}`);
      const at = async () => Number((await figure.locator(".controls .count").innerText()).split(" ")[0]);
      const said = () => figure.locator(".words").innerText();
      const shape = () => figure.locator(".stage svg").evaluate((svg) => [...svg.querySelectorAll("g")].map((g) => g.style.transform + g.className.baseVal + g.textContent).join("|"));
      const steps = await figure.locator(".strip > li").count();
      if (!(await figure.locator(".stage").count())) { say("no stage"); continue; }
      await figure.scrollIntoViewIfNeeded();
      const start = await shape(), words = await said();
      await page.waitForTimeout(300);
      if (await at() !== 1 || await shape() !== start) say("it moves by itself");
      await figure.locator("button", { hasText: "Next" }).focus();
      await page.keyboard.press("Enter");
      if (await at() !== 2 || await said() === words) say("Next does not lead to the second step");
      if (await shape() === start) say("nothing moves at the second step");
      await page.keyboard.press("ArrowRight");
      if (await at() !== 3) say("the arrow key does not lead on");
      await page.keyboard.press("End");
      if (await at() !== steps) say("End does not lead to the end");
      if (await figure.locator("button", { hasText: "Next" }).isEnabled()) say("there is a next step after the last");
      await figure.locator("input").focus();
      await page.keyboard.press("Home");
      if (await at() !== 1 || await shape() !== start) say("the beginning is not what it was");
      if (await figure.locator(".words").getAttribute("aria-live") !== "polite") say("a screen reader is not told");
      await figure.locator("button", { hasText: "Play" }).click();
      if (await at() !== 2) say("Play does not start");
      await figure.locator("button", { hasText: "Stop" }).click();
      await figure.locator("button", { hasText: "All steps" }).click();
      if (!(await figure.locator(".strip > li").last().isVisible())) say("All steps does not show them");
      await page.emulateMedia(STILL);
      if (await figure.locator(".stage svg g").first().evaluate((g) => parseFloat(getComputedStyle(g).transitionDuration)) > 0) say("it moves although the reader wants no motion");
      await page.emulateMedia({ media: "print", reducedMotion: null });
      if (await figure.locator(".stage").isVisible() || !(await figure.locator(".strip > li").first().isVisible())) say("on paper there is no strip");
      await page.emulateMedia({ media: "screen" });
    }
    return [...out, ...page.faults];
  });
}

const keyboard = (book) => using(book, "10-mutex.html", STILL, async (page) => {
  const out = [];
  await page.keyboard.press("Tab");
  if (!(await page.evaluate(() => document.activeElement.matches("a.skip") && document.activeElement.getBoundingClientRect().width > 40))) {
    return ["the first Tab does not show the way past the bar"];
  }
  await page.keyboard.press("Enter");
  if (!(await page.evaluate(() => document.activeElement.id === "main"))) out.push("the way past the bar does not lead to the text");
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press("Tab");
    const bare = await page.evaluate(() => {
      const e = document.activeElement, s = getComputedStyle(e);
      return s.outlineStyle === "none" && s.boxShadow === "none" ? e.outerHTML.slice(0, 80) : "";
    });
    if (bare) out.push(`the focus cannot be seen on ${bare}`);
  }
  return out;
});

const folding = (book) => using(book, "10-mutex.html", STILL, async (page) => {
  const out = [], say = (text) => out.push(text), folds = page.locator(".claim details.tests"), button = page.locator("button.fold");
  const open = () => folds.evaluateAll((all) => all.filter((fold) => fold.open).length), count = await folds.count();
  if (!count || await open() || !(await folds.first().isVisible())) return ["a claim's tests are not folded"];
  await page.keyboard.press("t");
  if (await open() !== count || await button.textContent() !== "Tests: shown") say("the key t does not show them");
  await page.reload();
  if (await open() !== count) say("shown is forgotten");
  await button.click();
  if (await open()) say("the button does not fold them");
  await page.evaluate(() => { location.hash = document.querySelector("details.tests figure.code").id; });
  if (!(await page.locator("details.tests[open] figure.code").first().isVisible())) say("a link to a test does not open it");
  await page.goto(book.url("08-mutex.html") + "#claim-8-1");
  await page.waitForURL(/10-mutex\.html#claim-[a-z]/, { timeout: book.patience }).catch(() => say("an old address does not lead to the claim"));
  return out;
});

export const CHECKS = {
  "loads: no error, nothing from elsewhere, light, steady": visit("loads"),
  "narrow: no sideways scroll at 390 and 320 px": visit("narrow"),
  "scripts off: text, pairs, strips and links are there": scriptsOff,
  "theme: the choice is remembered, the system's followed": theme,
  "pairs: port, upstream, both, remembered": pairs,
  "tests: folded, shown, remembered; old addresses lead on": folding,
  "in place: chunks open by keyboard, within each other too": inPlace,
  "search: finds what a reader would look for": search,
  "steppers: the moving figures move when asked": steppers,
  "keyboard: a way past the bar, and a focus to be seen": keyboard,
  "axe, light: no violation on any page": visit("light"),
  "axe, dark: contrast": visit("dark"),
};

export async function start(modules) {
  const require = createRequire(join(modules, "node_modules/"));
  let chromium;
  try {
    chromium = require("playwright-core").chromium;
  } catch {
    throw new Error(`no playwright-core in ${modules}: run make browser (it installs what tests/book/package-lock.json names)`);
  }
  const program = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
  if (!program) throw new Error("no Chromium: install chromium (make setup check)");
  const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage"] });
  return { browser, turns: new Turns(Math.max(2, availableParallelism())), axe: readFileSync(require.resolve("axe-core/axe.min.js"), "utf8") };
}

/* Pages of a folder, to be looked at by the checks of these names; all pages, or only `names`, with less `patience` (milliseconds) where something is broken. */
export function pagesOf(folder, tools, checks, { names, patience = 5000 } = {}) {
  const texts = new Map(), wanted = checks.map((name) => CHECKS[name].kind);
  const text = (name) => texts.get(name) ?? texts.set(name, readFileSync(join(folder, name), "utf8")).get(name);
  return { ...tools, text, patience, known: new Set(), kinds: Object.keys(VISITS).filter((kind) => wanted.includes(kind)), figures: names ? 1 : 3,
    names: names ?? readdirSync(folder).filter((name) => name.endsWith(".html") && !text(name).includes(" has moved</title>")).sort(),
    base: pathToFileURL(folder).href, url: (name) => pathToFileURL(join(folder, name)).href };
}

export async function check(name, book) {
  try {
    return await CHECKS[name](book);
  } catch (error) {
    return [short(error.message)];
  }
}

async function main() {
  const words = process.argv.slice(2), value = (flag, other) => (words.includes(flag) ? words[words.indexOf(flag) + 1] : other);
  if (words.includes("--help") || words.includes("--list")) {
    console.log(words.includes("--list") ? Object.keys(CHECKS).join("\n") : "usage: node tests/book/browser.mjs [--html FOLDER] [--modules FOLDER] [--only WORD] [--list]");
    return 0;
  }
  const folder = resolve(value("--html", join(ROOT, "build/book/html"))), only = value("--only", "");
  if (!existsSync(join(folder, "index.html"))) throw new Error(`no pages in ${folder}: run make weave first`);
  const tools = await start(resolve(value("--modules", join(ROOT, "build/browser"))));
  process.on("SIGINT", () => tools.browser.close().finally(() => process.exit(130)));
  const names = Object.keys(CHECKS).filter((name) => name.includes(only)), book = pagesOf(folder, tools, names), began = Date.now();
  let failed = 0;
  await Promise.all(names.map(async (name) => {
    const faults = await check(name, book);
    console.log(`${faults.length ? "FAIL" : "ok  "} browser, ${name}`);
    faults.slice(0, 20).forEach((fault) => console.log(`     ${fault}`));
    if (faults.length > 20) console.log(`     and ${faults.length - 20} more`);
    failed += faults.length > 0;
  }));
  if (book.note) console.log(`     ${book.note}`);
  await tools.browser.close();
  console.log(`${book.names.length} pages in Chromium, ${((Date.now() - began) / 1000).toFixed(0)} s, ${failed ? `${failed} checks failed` : "all well"}`);
  return failed ? 1 : 0;
}

if (resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().then((code) => process.exit(code), (error) => { console.error(`browser: ${error.message}`); process.exit(2); });
}
