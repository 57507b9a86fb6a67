/* The pages are whole without this. It remembers the reader's choice of light or dark, and copies a chunk's address. */
(() => {
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("groundfloor-theme"); } catch { return null; } };
  const store = (theme) => { try { localStorage.setItem("groundfloor-theme", theme); } catch { /* private window: not remembered */ } };
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (systemDark.matches ? "dark" : "light")) === "dark";
  if (stored()) root.dataset.theme = stored();      // before the first paint

  addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("button.theme");
    const label = () => { button.textContent = isDark() ? "Light" : "Dark"; };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      store(root.dataset.theme);
      label();
    });
    systemDark.addEventListener("change", label);
    label();

    const live = document.createElement("p");
    live.className = "sr";
    live.setAttribute("role", "status");
    document.body.append(live);
    document.addEventListener("click", async (event) => {
      const link = event.target.closest("a.permalink");
      if (!link || event.metaKey || event.ctrlKey || event.shiftKey || !navigator.clipboard) return;
      try {
        await navigator.clipboard.writeText(link.href);
        link.classList.add("copied");
        live.textContent = "Link copied";
        setTimeout(() => { link.classList.remove("copied"); live.textContent = ""; }, 1600);
      } catch { /* the link has worked as a link */ }
    });
  });
})();
