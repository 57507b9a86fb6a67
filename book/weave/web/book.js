/* The pages are whole without this. It remembers what the reader chose, opens chunks in place, shows contracts, and searches.

   For the tests, what it adds or changes:
     html[data-theme] light | dark            button.theme
     html[data-show] port | upstream | both   fieldset.switch input[name=show], on pages that have a .pair */
(() => {
  const root = document.documentElement;
  const stored = (key) => { try { return localStorage.getItem("groundfloor-" + key); } catch { return null; } };
  const store = (key, value) => { try { localStorage.setItem("groundfloor-" + key, value); } catch { /* private window: not remembered */ } };
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (systemDark.matches ? "dark" : "light")) === "dark";
  if (stored("theme")) root.dataset.theme = stored("theme");      // before the first paint
  if (stored("show")) root.dataset.show = stored("show");

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

  addEventListener("DOMContentLoaded", () => {
    themes();
    sides();
  });
})();
