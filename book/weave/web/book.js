/* The pages are whole without this. It remembers what the reader chose, opens chunks in place, shows contracts, and searches.

   For the tests, what it adds or changes:
     html[data-theme] light | dark            button.theme
     html[data-show] port | upstream | both   fieldset.switch input[name=show], on pages that have a .pair
     html[data-tests] folded | shown          button.fold (key t), on pages that have a details.tests
     pre a.ref[aria-expanded]                 a chunk's name in code; opens span.inset[data-opens=ID] after its line
     button.copy, a.copied                    in figure.code .facts; what was done is said in p.sr[role=status]
     #contract[role=tooltip]                  the contract of the identifier under the pointer or the focus
     button.find, dialog.search               input[role=combobox], a[role=option] grouped in [role=group]
     .rail a[aria-current=location]           the section that is being read
     pre[tabindex]                            code that is wider than its block
   Loaded when first needed: chunks/PAGE.js, contracts.js, search.js, lunr.js; they hand their data to groundfloor(name, value). */
(() => {
  const root = document.documentElement;
  const stored = (key) => { try { return localStorage.getItem("groundfloor-" + key); } catch { return null; } };
  const store = (key, value) => { try { localStorage.setItem("groundfloor-" + key, value); } catch { /* private window: not remembered */ } };
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (systemDark.matches ? "dark" : "light")) === "dark";
  if (stored("theme")) root.dataset.theme = stored("theme");      // before the first paint
  if (stored("show")) root.dataset.show = stored("show");
  root.dataset.tests = stored("tests") || "folded";

  const make = (tag, attributes, ...inside) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.append(...inside);
    return element;
  };

  // Light and dark
  function themes() {
    const button = document.querySelector("button.theme");
    const label = () => { button.textContent = isDark() ? "Light" : "Dark"; };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      store("theme", root.dataset.theme);
      label();
    });
    systemDark.addEventListener("change", label);
    label();
  }

  // Port, upstream, or both. What the reader looks at stays where it is on the screen.
  function sides() {
    if (!document.querySelector(".pair")) return;
    const field = document.querySelector(".switch");
    const show = (value) => {
      root.dataset.show = value;
      field.querySelector(`[value="${value}"]`).checked = true;
    };
    const inView = () => [...document.querySelectorAll("article > *")].find((e) => e.getBoundingClientRect().bottom > 80);
    field.hidden = false;
    show(stored("show") || "both");
    field.addEventListener("change", (event) => {
      const anchor = inView(), before = anchor && anchor.getBoundingClientRect().top;
      show(event.target.value);
      store("show", event.target.value);
      if (anchor) scrollBy({ top: anchor.getBoundingClientRect().top - before, behavior: "instant" });
    });
    const reveal = () => {      // a link into the hidden side shows it
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (target && target.closest(".side") && !target.getClientRects().length) {
        show("both");
        target.scrollIntoView();
      }
    };
    addEventListener("hashchange", reveal);
    reveal();
  }


  // Tests: open where scripts are off; here folded until somebody wants them.
  function tests() {
    const all = document.querySelectorAll("details.tests"), button = document.querySelector("button.fold");
    if (!all.length) return;
    const show = (value) => {
      root.dataset.tests = value;
      for (const fold of all) fold.open = value === "shown";
      button.textContent = value === "shown" ? "Tests: shown" : "Tests: folded";
      button.setAttribute("aria-pressed", value === "shown");
    };
    const flip = () => {
      const anchor = [...document.querySelectorAll("article > *")].find((e) => e.getBoundingClientRect().bottom > 80);
      const before = anchor && anchor.getBoundingClientRect().top;
      show(root.dataset.tests === "shown" ? "folded" : "shown");
      store("tests", root.dataset.tests);
      if (anchor) scrollBy({ top: anchor.getBoundingClientRect().top - before, behavior: "instant" });
    };
    show(root.dataset.tests);
    root.dataset.testsReady = "";       // from here on each fold is its own
    button.hidden = false;
    button.addEventListener("click", flip);
    document.addEventListener("keydown", (event) => {
      if (event.key !== "t" || event.metaKey || event.ctrlKey || event.altKey || event.target.closest("input, dialog")) return;
      flip();
      announce(button.textContent);
    });
    const reveal = () => {              // a link to a test opens it
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1))), fold = target?.closest("details.tests");
      if (!fold || fold.open) return;
      fold.open = true;
      target.scrollIntoView();
    };
    addEventListener("hashchange", reveal);
    reveal();
    addEventListener("beforeprint", () => { for (const fold of all) fold.open = true; });
    addEventListener("afterprint", () => show(root.dataset.tests));
  }

  // Data that comes when it is asked for, as scripts: they load from a folder of files too.
  const data = {}, coming = {};
  globalThis.groundfloor = (name, value) => { data[name] = value; };
  const load = (file) => coming[file] ||= new Promise((done, failed) => {
    const script = make("script", { src: file });
    script.onload = done;
    script.onerror = () => { delete coming[file]; failed(new Error(`${file} is not there`)); };
    document.head.append(script);
  });

  let live;
  const announce = (text) => { live.textContent = ""; setTimeout(() => { live.textContent = text; }, 60); };
  const plainClick = (event) => !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button);
  async function toClipboard(text) {
    try { await navigator.clipboard.writeText(text); }
    catch {         // no leave, or a page from a file: the old way
      const area = make("textarea", { value: text, className: "sr" });
      const before = document.activeElement;
      document.body.append(area);
      area.select();
      const worked = document.execCommand("copy");
      area.remove();
      before?.focus({ preventScroll: true });
      if (!worked) throw new Error("copying is not allowed here");
    }
  }

  // Copying: a chunk's code as it stands in the chapter, or its address.
  function copying() {
    for (const facts of document.querySelectorAll("figure.code .facts"))
      if (facts.closest("figure").querySelector("pre")) facts.append(make("button", { className: "copy", type: "button", textContent: "Copy" }));
    const done = (element, text) => {
      element.classList.add("copied");
      announce(text);
      setTimeout(() => element.classList.remove("copied"), 1600);
    };
    document.addEventListener("click", async (event) => {
      const button = event.target.closest("button.copy"), link = event.target.closest("a.permalink, .bar a.name");
      try {
        if (button) {
          const code = button.closest("figure").querySelector("pre > code").cloneNode(true);
          for (const inset of code.querySelectorAll(".inset")) inset.remove();
          for (const ref of code.querySelectorAll("a.ref")) ref.textContent = ref.textContent.replace(/^⟨([^]*)⟩$/, "<<$1>>");
          await toClipboard(code.textContent.replace(/\n*$/, "\n"));
          done(button, "Code copied");
        } else if (link && plainClick(event)) {
          await toClipboard(link.href);
          done(link, "Link copied");
        }
      } catch (error) { if (button) announce(`Not copied: ${error.message}`); /* a link has worked as a link */ }
    });
  }

  // A chunk's name in code opens its body in place, and the names in that body open theirs.
  const pageOf = (link) => link.pathname.split("/").pop().replace(/\.html$/, "");
  const idOf = (link) => link.hash.slice(1);
  function bodiesOf(link) {
    const id = idOf(link), here = [];
    for (let n = 1, figure; (figure = document.getElementById(n === 1 ? id : `${id}-${n}`)); n++) here.push(figure.querySelector("pre > code").innerHTML);
    return here.length ? here : data[pageOf(link)]?.[id];
  }
  function lineEnd(link, code) {      // the text that holds the line feed after the link, in the same body
    const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());)
      if (link.compareDocumentPosition(node) === Node.DOCUMENT_POSITION_FOLLOWING && node.data.includes("\n") && node.parentElement.closest(".inset-code, code") === code) return node;
    return null;
  }
  async function openHere(link) {
    link.setAttribute("aria-expanded", "true");
    if (!bodiesOf(link)) await load(`chunks/${pageOf(link)}.js`).catch(() => {});
    const bodies = bodiesOf(link);
    if (!bodies) { location.href = link.href; return; }
    const code = link.closest(".inset-code, code"), end = lineEnd(link, code);
    const inset = make("span", { className: "inset" });
    inset.dataset.opens = idOf(link);
    inset.setAttribute("role", "group");
    inset.setAttribute("aria-label", `Body of ${link.textContent}`);
    const before = document.createRange();
    before.setStart(code, 0);
    before.setEndBefore(link);
    inset.style.setProperty("--indent", /[ ]*$/.exec(before.toString().split("\n").pop())[0].length);
    bodies.forEach((body, i) => {
      const inner = make("span", { className: "inset-code", innerHTML: body });
      for (const e of inner.querySelectorAll(".inset")) e.remove();
      for (const e of inner.querySelectorAll("mark")) e.replaceWith(...e.childNodes);
      inset.append(make("span", { className: "inset-head" }, make("a", { href: link.href + (i ? `-${i + 1}` : ""),
        textContent: bodies.length > 1 ? `part ${i + 1} of ${bodies.length}, to its place` : "to its place" })), inner);
    });
    ready(inset);
    if (end) {
      end.splitText(end.data.indexOf("\n") + 1);
      end.after(inset);
    } else code.append(inset);
    link.inset = inset;
  }
  function toggle(link) {
    if (link.getAttribute("aria-expanded") !== "true") return openHere(link);
    link.inset?.remove();
    link.setAttribute("aria-expanded", "false");
  }
  function ready(within) {
    for (const link of within.querySelectorAll("pre a.ref, .inset a.ref")) {
      link.setAttribute("role", "button");
      link.setAttribute("aria-expanded", "false");
    }
  }
  function opening() {
    ready(document);
    const ref = (event) => event.target.closest("pre a.ref[aria-expanded]");
    document.addEventListener("click", (event) => {
      const link = ref(event);
      if (!link || !plainClick(event)) return;
      event.preventDefault();
      toggle(link);
    });
    document.addEventListener("keydown", (event) => {
      const link = event.key === " " && ref(event);
      if (link) { event.preventDefault(); link.click(); }
    });
  }

  // The contract of an identifier: on hover, on focus, until Escape.
  function contracts() {
    const box = make("div", { id: "contract", hidden: true });
    box.setAttribute("role", "tooltip");
    document.querySelector("main").append(box);
    let owner = null, timer = 0;
    const nameOf = (target) => {
      const link = target.closest?.("pre a[href], .inset a[href], a.id");
      return link && !link.matches(".ref, .inset-head a") ? [link, link.textContent.replace(/\(\)$/, "")] : null;
    };
    const hide = () => {
      clearTimeout(timer);
      box.hidden = true;
      owner?.removeAttribute("aria-describedby");
      owner = null;
    };
    const show = async ([link, name]) => {
      await load("contracts.js").catch(() => {});
      const entry = data.contracts?.[name];
      if (!entry || (!link.matches(":hover") && document.activeElement !== link)) return;
      hide();
      const [declared, contract, where] = entry;
      box.replaceChildren(make("p", { className: "declared" }, make("code", { textContent: declared })));
      if (contract) box.append(make("pre", { textContent: contract }));
      box.append(make("p", { className: "where", textContent: where }));
      box.hidden = false;
      const at = link.getClientRects()[0], size = box.getBoundingClientRect(), wide = document.documentElement.clientWidth;
      const above = at.bottom + size.height + 12 > innerHeight && at.top > size.height + 60;
      box.style.left = `${scrollX + Math.max(8, Math.min(at.left, wide - size.width - 12))}px`;
      box.style.top = `${scrollY + (above ? at.top - size.height - 6 : at.bottom + 6)}px`;
      link.setAttribute("aria-describedby", "contract");
      owner = link;
    };
    const later = (found, wait) => { clearTimeout(timer); timer = setTimeout(found ? () => show(found) : hide, wait); };
    document.addEventListener("pointerover", (event) => {
      if (event.pointerType === "touch") return;
      const found = nameOf(event.target);
      if (found && found[0] !== owner) later(found, 220);
      else if (found || box.contains(event.target)) clearTimeout(timer);
      else if (owner && owner !== document.activeElement) later(null, 260);
      else if (!owner) clearTimeout(timer);
    });
    document.addEventListener("focusin", (event) => {
      const found = event.target.matches?.(":focus-visible") && nameOf(event.target);
      if (found) later(found, 120);
      else if (owner) hide();
    });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  }

  // The rail shows where the reader is.
  function whereabouts() {
    const rail = document.querySelector(".rail"), links = new Map();
    for (const link of rail.querySelectorAll("li li a")) if (link.pathname === location.pathname) links.set(decodeURIComponent(link.hash.slice(1)), link);
    const heads = [...document.querySelectorAll("article h2[id]")].filter((h) => links.has(h.id));
    const current = rail.querySelector("[aria-current]");
    const keepInSight = (link) => {
      if (!link || getComputedStyle(rail).position !== "sticky") return;
      const at = link.getBoundingClientRect(), frame = rail.getBoundingClientRect();
      if (at.top < frame.top + 60 || at.bottom > frame.bottom - 60) rail.scrollTop += at.top - frame.top - frame.height / 3;
    };
    keepInSight(current);
    if (!heads.length) return;
    let now = null, asked = false;
    const look = () => {
      asked = false;
      const head = heads.findLast((h) => h.getBoundingClientRect().top < innerHeight * .3);
      const link = head && links.get(head.id);
      if (link === now) return;
      now?.removeAttribute("aria-current");
      link?.setAttribute("aria-current", "location");
      now = link;
      keepInSight(link);
    };
    addEventListener("scroll", () => { if (!asked) { asked = true; requestAnimationFrame(look); } }, { passive: true });
    look();
  }

  // Code that is wider than its block can be scrolled by keyboard.
  function scrollers() {
    const look = () => {
      const wide = [...document.querySelectorAll("article pre, .table, .art")].map((e) => [e, e.scrollWidth > e.clientWidth + 1]);
      for (const [e, over] of wide) {
        if (over === e.hasAttribute("tabindex")) continue;
        if (!over) { for (const name of ["tabindex", "role", "aria-label"]) e.removeAttribute(name); continue; }
        e.tabIndex = 0;
        e.setAttribute("role", "group");
        e.setAttribute("aria-label", e.matches("pre") ? "Code: " + (e.closest("figure")?.querySelector(".name, .source")?.textContent.replace(/[⟨⟩]|\+?≡/g, "").trim() || "example") : e.matches(".table") ? "Table" : "Figure");
      }
    };
    let timer = 0;
    new ResizeObserver(() => { clearTimeout(timer); timer = setTimeout(look, 120); }).observe(document.querySelector("article"));
    document.fonts?.ready.then(look);
  }

  // Search, without a server: the book's text and lunr come when they are first wanted.
  const parts = (word) => word.split("_").flatMap((piece) => piece.split(/(?<=[a-z0-9])(?=[A-Z])/)).filter((piece) => piece.length > 1);
  async function indexed(progress) {
    await Promise.all([load("search.js"), load("contracts.js").catch(() => {}), load("lunr.js").catch(() => {})]);
    if (!globalThis.lunr) return null;
    const lunr = globalThis.lunr, builder = new lunr.Builder();
    lunr.tokenizer.separator = /[^\p{L}\p{N}_]+/u;
    const split = (token) => {
      const word = token.toString(), pieces = parts(word).map((piece) => piece.toLowerCase());
      token.update((text) => text.toLowerCase());
      return pieces.length > 1 || pieces[0] !== token.toString() ? [token, ...pieces.map((piece) => token.clone(() => piece))] : token;
    };
    lunr.Pipeline.registerFunction(split, "split");
    builder.pipeline.add(split, lunr.stopWordFilter, lunr.stemmer);
    builder.searchPipeline.add(lunr.stemmer);
    builder.ref("n");
    builder.field("title", { boost: 8 });
    builder.field("prose", { boost: 2 });
    builder.field("code");
    const all = data.search.sections;
    for (let n = 0, since = performance.now(); n < all.length; n++) {
      const [, , title, prose, code] = all[n];
      builder.add({ n, title: title.replace(/[^\s\p{L}\p{N}_]/gu, " "), prose, code: [...new Set(code.match(/[\p{L}_][\p{L}\p{N}_]+/gu))].join(" ") });
      if (performance.now() - since > 40) {
        progress(n / all.length);
        await new Promise((next) => setTimeout(next));
        since = performance.now();
      }
    }
    return builder.build();
  }
  function query(index, text) {
    const words = text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) || [];
    if (!index || !words.length) return [];
    const ask = (need) => index.query((q) => words.forEach((word, i) => {
      const presence = need ? globalThis.lunr.Query.presence.REQUIRED : globalThis.lunr.Query.presence.OPTIONAL;
      const stem = globalThis.lunr.stemmer(new globalThis.lunr.Token(word)).toString();
      q.term(stem, { presence, boost: 10, usePipeline: false, wildcard: i === words.length - 1 && word.length > 2 ? globalThis.lunr.Query.wildcard.TRAILING : globalThis.lunr.Query.wildcard.NONE });
    }));
    const strict = ask(true);
    return strict.length ? strict : ask(false);
  }
  function named(text) {
    const wanted = text.trim().replace(/\(\)$/, "").toLowerCase();
    if (wanted.length < 2 || /\s/.test(wanted)) return [];
    const rank = (name) => name === wanted ? 0 : name.replace(/^_+/, "").startsWith(wanted.replace(/^_+/, "")) ? 1 : name.includes(wanted) ? 2 : 9;
    return Object.entries(data.contracts || {}).map(([name, entry]) => [rank(name.toLowerCase()), name, entry]).filter(([r]) => r < 9)
      .sort((a, b) => a[0] - b[0] || a[1].length - b[1].length || (a[1] < b[1] ? -1 : 1)).slice(0, 6);
  }
  function snippet(section, words) {
    const [, , , prose, code] = section;
    for (const text of [prose, code]) {
      const low = text.toLowerCase(), at = words.map((word) => low.indexOf(word)).find((i) => i >= 0);
      if (at === undefined) continue;
      let from = Math.max(0, at - 60), to = Math.min(text.length, at + 110);
      if (text === code) [from, to] = [text.lastIndexOf("\n", at) + 1, (text + "\n").indexOf("\n", at)];
      else { while (from > 0 && text[from - 1] !== " ") from--; while (to < text.length && text[to] !== " ") to++; }
      return marked((from && text === prose ? "… " : "") + text.slice(from, to).trim() + (to < text.length && text === prose ? " …" : ""), words, text === code);
    }
    return document.createTextNode(prose.slice(0, 140));
  }
  function marked(text, words, isCode) {
    const out = make(isCode ? "code" : "span", {}), pattern = new RegExp(`(${words.map((w) => w.replace(/[^\p{L}\p{N}_]/gu, "")).join("|")})`, "giu");
    text.split(pattern).forEach((piece, i) => out.append(i % 2 ? make("b", { textContent: piece }) : piece));
    return out;
  }
  function searching() {
    const button = document.querySelector("button.find");
    const input = make("input", { type: "search", autocomplete: "off", spellcheck: false, placeholder: "Prose, code, names" });
    for (const [name, value] of [["role", "combobox"], ["aria-label", "Search the book"], ["aria-expanded", "false"], ["aria-controls", "found"], ["aria-autocomplete", "list"]]) input.setAttribute(name, value);
    const found = make("div", { id: "found" }), state = make("p", { className: "state" });
    found.setAttribute("role", "listbox");
    found.setAttribute("aria-label", "Found");
    state.setAttribute("role", "status");
    const close = make("button", { type: "button", className: "tool", textContent: "Close" });
    const dialog = make("dialog", { className: "search" }, make("div", { className: "ask" }, input, close), state, found);
    dialog.setAttribute("aria-label", "Search");
    document.body.append(dialog);
    let index, starting, chosen = -1;
    const options = () => [...found.querySelectorAll("[role=option]")];
    const choose = (n) => {
      const all = options();
      chosen = all.length ? (n + all.length) % all.length : -1;
      all.forEach((option, i) => option.setAttribute("aria-selected", String(i === chosen)));
      if (chosen >= 0) { input.setAttribute("aria-activedescendant", all[chosen].id); all[chosen].scrollIntoView({ block: "nearest" }); }
      else input.removeAttribute("aria-activedescendant");
    };
    const group = (title, rows) => {
      const box = make("div", { className: "group" }, make("p", { className: "of-chapter", textContent: title }), ...rows);
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", title);
      box.firstChild.setAttribute("aria-hidden", "true");
      return box;
    };
    const option = (href, ...inside) => {
      const row = make("a", { href, tabIndex: -1 }, ...inside);
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", "false");
      row.addEventListener("click", (event) => { if (plainClick(event)) dialog.close(); });
      return row;
    };
    const answer = () => {
      const text = input.value.trim(), words = text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) || [];
      found.replaceChildren();
      if (words.length && index !== undefined) {
        const names = named(text).map(([, name, entry]) => option(entry[3], make("code", { textContent: name }), make("span", { className: "snippet", textContent: entry[2] })));
        if (names.length) found.append(group("Names", names));
        const chapters = new Map();
        for (const hit of query(index, text).slice(0, 40)) {
          const section = data.search.sections[hit.ref], title = data.search.titles[section[0]];
          if (!chapters.has(title)) chapters.set(title, []);
          if (chapters.get(title).length < 4) chapters.get(title).push(option(`${section[0]}.html#${section[1]}`, make("span", { className: "title", textContent: section[2] }), make("span", { className: "snippet" }, snippet(section, words))));
        }
        for (const [title, rows] of chapters) found.append(group(title, rows));
      }
      const all = options();
      all.forEach((row, i) => { row.id = `found-${i}`; });
      input.setAttribute("aria-expanded", String(all.length > 0));
      state.textContent = index === undefined ? state.textContent : !words.length ? "" : all.length ? `${all.length} found` : "Nothing found";
      choose(all.length ? 0 : -1);
    };
    const open = () => {
      if (dialog.open) return;
      dialog.showModal();
      input.select();
      starting ||= indexed((share) => { state.textContent = `Reading the book: ${Math.round(share * 100)} %`; })
        .then((made) => { index = made; state.textContent = made ? "" : "Names only: lunr was not installed when the book was woven"; answer(); })
        .catch((error) => { starting = null; state.textContent = `No search: ${error.message}`; });
    };
    button.hidden = false;
    button.addEventListener("click", open);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    let timer = 0;
    input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(answer, 60); });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { event.preventDefault(); dialog.close(); }      // Chromium would first empty the field
      else if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); choose(chosen + (event.key === "ArrowDown" ? 1 : -1)); }
      else if (event.key === "Enter" && chosen >= 0) { event.preventDefault(); options()[chosen].click(); }
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.metaKey || event.ctrlKey || event.altKey || event.target.matches?.("input, textarea, select, [contenteditable]")) return;
      event.preventDefault();
      open();
    });
  }

  addEventListener("DOMContentLoaded", () => {
    live = make("p", { className: "sr" });
    live.setAttribute("role", "status");
    document.body.append(live);
    for (const start of [themes, sides, tests, copying, opening, contracts, whereabouts, scrollers, searching]) start();
  });
})();
