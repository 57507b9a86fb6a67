/* The woven pages in a browser: Debian's Chromium, driven by playwright-core; axe-core looks for what keeps readers out.

     node tests/book/browser.mjs [--html FOLDER] [--modules FOLDER] [--only WORD] [--list]

   Pages are opened as files, as a reader without a server would. Each check yields one line for each fault. What needs no browser
   (links, ids, excerpts, PDF, EPUB) is in check_pages.py. tests/book/mutations.mjs breaks a copy of the pages in each way
   and sees that the check of that name says so. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
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
  ["_PyParkingLot_Park", "07-parking-lot"], ["barging", "08-mutex"], ["TIME_TO_BE_FAIR_NS", "08-mutex"], ["siphash", "05-hashing"],
  ["PYTHONHASHSEED", "04-hash-secret"], ["sequence lock", "10-readers-writers"], ["PyCriticalSection2", "11-critical-sections"],
  ["oversize block", "03-arena"], ["once flag", "09-events"], ["gh-148820", "12-simulation|06-sleeping"], ["PyThread_tss_create", "13-threads"],
  ["stack size", "13-threads"],
];

const short = (text) => text.replace(/\s+/g, " ").slice(0, 160);

async function open(book, name, options = {}) {
  const context = await book.browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(5000);
  page.setDefaultNavigationTimeout(30_000);
  page.faults = [];
  page.asked = [];
  page.on("console", (message) => { if (message.type() === "error") page.faults.push(`console: ${short(message.text())}`); });
  page.on("pageerror", (error) => page.faults.push(`uncaught: ${short(error.message)}`));
  page.on("request", (request) => page.asked.push(request.url()));
  page.on("requestfailed", (request) => page.faults.push(`not loaded: ${request.url().split("/").pop()}`));
  await page.goto(book.url(name));
  return page;
}

const close = (page) => page.context().close();

/* Two pages at a time; whatever goes wrong on a page is a fault of that page. */
async function each(names, look) {
  const faults = [], queue = [...names];
  await Promise.all([0, 1].map(async () => {
    for (let name = queue.shift(); name; name = queue.shift()) {
      try {
        for (const fault of await look(name)) faults.push(`${name}: ${fault}`);
      } catch (error) {
        faults.push(`${name}: ${short(error.message)}`);
      }
    }
  }));
  return faults.sort();
}

const has = (book, word) => book.names.filter((name) => book.text(name).includes(word));

/* One visit to each page serves four checks: loading, narrow screens, axe in the light theme and in the dark one. */
function visits(book) {
  return book.visited ??= (async () => {
    const seen = { loads: [], narrow: [], light: [], dark: [] }, times = [];
    const broken = await each(book.names, async (name) => {
      const page = await open(book, name, { colorScheme: "light", ...STILL });
      const put = (kind, faults) => seen[kind].push(...faults.map((fault) => `${name}: ${fault}`));
      put("loads", await loading(book, page, name, times));
      put("narrow", await narrowing(page));
      await page.setViewportSize(WIDE);
      await page.evaluate(book.axe);
      put("light", await violations(page));
      await page.emulateMedia({ colorScheme: "dark" });
      put("dark", await violations(page, ["color-contrast", "link-in-text-block"]));
      put("loads", page.faults);
      await close(page);
      return [];
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
    const entries = (type) => new Promise((done) => {
      new PerformanceObserver((list) => done(list.getEntries())).observe({ type, buffered: true });
      setTimeout(() => done([]), 200);
    });
    const [navigation] = performance.getEntriesByType("navigation");
    const [shifts, paints] = await Promise.all([entries("layout-shift"), entries("largest-contentful-paint")]);
    return { loaded: navigation.loadEventEnd, shift: shifts.reduce((sum, s) => sum + s.value, 0), painted: paints.length ? paints.at(-1).startTime : 0 };
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

async function violations(page, rules) {
  const found = await page.evaluate((only) => axe.run(document, { preload: false, resultTypes: ["violations"], ...(only ? { runOnly: only } : {}) }), rules);
  return found.violations.map((v) => `${v.id}, ${v.nodes.length} times: ${v.help}; the first: ${short(v.nodes[0].html)}`);
}

const visit = (kind) => async (book) => (await visits(book))[kind];

const scriptsOff = (book) => each(book.names, async (name) => {
  const page = await open(book, name, { javaScriptEnabled: false });
  const out = [...page.faults];
  const seen = async (what) => (await page.locator(what).all()).length;
  for (const what of ["article h1", "nav#contents a"]) if (!(await seen(what))) out.push(`no ${what} without scripts`);
  for (const what of [".pair > .side", "figure.trace .strip > li", "figure.code > pre"]) {
    const hidden = await page.locator(`${what}:not(:visible):not(details *)`).count();
    if (hidden) out.push(`${hidden} ${what} hidden without scripts`);
  }
  for (const what of ["button:visible", "fieldset:visible", "input:visible", "dialog:visible"]) {
    if (await page.locator(what).count()) out.push(`${what.split(":")[0]} shown that does nothing without scripts`);
  }
  await close(page);
  return out;
});

async function theme(book) {
  const out = [];
  const page = await open(book, "index.html", { colorScheme: "light", ...STILL });
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await paper();
  await page.click("button.theme");
  const dark = await paper();
  if (light === dark) out.push("the button changes nothing");
  for (const next of [book.chapter("03-arena"), book.chapter("08-mutex")]) {
    await page.goto(book.url(next));
    if (await paper() !== dark) out.push(`${next} has forgotten the theme`);
  }
  await close(page);
  const other = await open(book, "index.html", { colorScheme: "dark", ...STILL });
  if (await other.evaluate(() => getComputedStyle(document.body).backgroundColor) !== dark) out.push("the system's preference is not followed");
  await close(other);
  return out;
}

async function pairs(book) {
  const out = [], names = has(book, 'class="pair"');
  if (names.length < 2) return ["fewer than two pages have pairs"];
  const page = await open(book, names[0], STILL);
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
  const hidden = await page.evaluate(() => document.querySelector(".pair .side:last-of-type figure[id]")?.id);
  if (hidden) {
    await page.goto(`${book.url(names[1])}#${hidden}`);
    await page.evaluate((id) => { location.hash = ""; location.hash = id; }, hidden);
    await page.waitForTimeout(100);
    if (!(await page.locator(`[id="${hidden}"]`).isVisible())) out.push("a link into the hidden side does not show it");
  }
  await choose("both");
  await expect("Both chosen", [true, true]);
  await close(page);
  return out;
}

async function inPlace(book) {
  const out = [], names = has(book, "class=\"ref\"").concat(has(book, "class=ref")).filter((name) => /^\d/.test(name));
  for (const name of [book.chapter("03-arena"), book.chapter("08-mutex")].filter((n) => names.includes(n))) {
    const page = await open(book, name, STILL);
    const first = page.locator("pre a.ref[aria-expanded]").first();
    if (!(await page.locator("pre a.ref[aria-expanded]").count())) {
      out.push(`${name}: no chunk's name can be opened`);
    } else {
      const insets = () => page.locator("span.inset").count();
      await first.focus();
      await page.keyboard.press("Enter");
      await page.locator("span.inset").first().waitFor({ state: "visible" }).catch(() => out.push(`${name}: Enter opens nothing`));
      if (await first.getAttribute("aria-expanded") !== "true") out.push(`${name}: aria-expanded does not say that it is open`);
      const id = await first.getAttribute("href");
      if (await insets() && !(await page.locator("span.inset").first().innerText()).trim()) out.push(`${name}: what opens is empty (${id})`);
      const inner = page.locator("span.inset a.ref[aria-expanded]").first();
      if (await page.locator("span.inset a.ref[aria-expanded]").count()) {
        await inner.focus();
        await page.keyboard.press("Enter");
        await page.locator("span.inset span.inset").first().waitFor({ state: "visible" }).catch(() => out.push(`${name}: nothing opens within what was opened`));
      }
      await first.focus();
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => !document.querySelector("span.inset:not([hidden])") || !document.querySelector("span.inset").getClientRects().length).catch(() => out.push(`${name}: it does not close again`));
    }
    out.push(...page.faults.map((fault) => `${name}: ${fault}`));
    await close(page);
  }
  return out;
}

async function search(book) {
  const out = [], page = await open(book, "index.html", STILL);
  await page.keyboard.press("/");
  const input = page.locator("dialog.search input[role=combobox]");
  await input.waitFor({ state: "visible" });
  for (const [words, where] of SEARCHES) {
    await input.fill(words);
    const reached = await page.waitForFunction((pattern) => [...document.querySelectorAll("dialog.search a[role=option]")].slice(0, 10)
      .some((a) => new RegExp(pattern).test(a.getAttribute("href"))), where, { timeout: 10_000 }).catch(() => null);
    if (!reached) out.push(`"${words}" does not find ${where} among the first ten`);
  }
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => !url.pathname.endsWith("/index.html"), { timeout: 5000 }).catch(() => out.push("Enter does not lead to what was found"));
  await close(page);
  return [...out, ...page.faults];
}

async function steppers(book) {
  const names = has(book, 'class="drawing trace"');
  if (names.length < book.figures) return [`${names.length} pages have a moving figure, not ${book.figures}`];
  return each(names, async (name) => {
    const out = [], page = await open(book, name);
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
    out.push(...page.faults);
    await close(page);
    return out;
  });
}

async function keyboard(book) {
  const out = [], page = await open(book, book.chapter("08-mutex"), STILL);
  await page.keyboard.press("Tab");
  if (!(await page.evaluate(() => document.activeElement.matches("a.skip") && document.activeElement.getBoundingClientRect().width > 40))) {
    await close(page);
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
  await close(page);
  return out;
}

export const CHECKS = {
  "loads: no error, nothing from elsewhere, light, steady": visit("loads"),
  "narrow: no sideways scroll at 390 and 320 px": visit("narrow"),
  "scripts off: text, pairs, strips and links are there": scriptsOff,
  "theme: the choice is remembered, the system's followed": theme,
  "pairs: port, upstream, both, remembered": pairs,
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
  return { browser, axe: readFileSync(require.resolve("axe-core/axe.min.js"), "utf8") };
}

/* The pages of a folder: all, or those that are named. */
export function pagesOf(folder, { browser, axe }, some) {
  const names = some ?? readdirSync(folder).filter((name) => name.endsWith(".html")).sort();
  const texts = new Map();
  const book = { browser, axe, names, figures: some ? 1 : 3, base: pathToFileURL(folder).href, url: (name) => `${pathToFileURL(join(folder, name)).href}`, note: "" };
  book.text = (name) => texts.get(name) ?? texts.set(name, readFileSync(join(folder, name), "utf8")).get(name);
  book.chapter = (stem) => `${stem}.html`;
  return book;
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
  const book = pagesOf(folder, tools), began = Date.now();
  let failed = 0;
  for (const name of Object.keys(CHECKS).filter((n) => n.includes(only))) {
    const since = Date.now(), faults = await check(name, book), took = ((Date.now() - since) / 1000).toFixed(1);
    console.log(`${faults.length ? "FAIL" : "ok  "} browser, ${name} (${took} s)${book.note ? `\n     ${book.note}` : ""}`);
    book.note = "";
    faults.slice(0, 20).forEach((fault) => console.log(`     ${fault}`));
    if (faults.length > 20) console.log(`     and ${faults.length - 20} more`);
    failed += faults.length > 0;
  }
  await tools.browser.close();
  console.log(`${book.names.length} pages in Chromium, ${((Date.now() - began) / 1000).toFixed(0)} s, ${failed ? `${failed} checks failed` : "all well"}`);
  return failed ? 1 : 0;
}

if (resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().then((code) => process.exit(code), (error) => { console.error(`browser: ${error.message}`); process.exit(2); });
}
