/* Plays the recorded runs. The strip of pictures is in the page already; this takes its first picture for a stage, and moves
   the stage's parts to where they are in the picture of each step. Nothing moves before the reader asks. */
(() => {
  const PACE = 2600;        // milliseconds that a step stays while it plays
  const parts = (svg) => [...svg.querySelectorAll("g")];
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  function place(part, like) {
    const [x, y] = like.getAttribute("transform").match(/[-\d.]+/g);
    part.setAttribute("class", like.getAttribute("class"));
    part.style.transform = `translate(${x}px, ${y}px)`;
    [...like.children].forEach((shape, i) => {
      const mine = part.children[i];
      if (shape.tagName === "text") mine.textContent = shape.textContent;
      if (shape.tagName === "rect") mine.style.width = `${shape.getAttribute("width")}px`;
    });
  }

  function play(figure) {
    const strip = figure.querySelector(".strip");
    const steps = [...strip.children];
    const pictures = steps.map((step) => step.querySelector("svg"));
    const art = make("div", { className: "art" }, pictures[0].cloneNode(true));
    const mine = parts(art);
    const said = make("div", { className: "words" });
    said.setAttribute("aria-live", "polite");
    const button = (label, act) => make("button", { type: "button", textContent: label, onclick: act });
    const back = button("‹ Back", () => show(at - 1));
    const start = button("Play", () => (timer ? stop() : run()));
    const on = button("Next ›", () => show(at + 1));
    const scrub = make("input", { type: "range", min: 1, max: steps.length, step: 1, value: 1, oninput: () => show(scrub.value - 1) });
    scrub.setAttribute("aria-label", "Step");
    const count = make("span", { className: "count" });
    const all = button("All steps", () => {
      all.setAttribute("aria-expanded", String(!figure.classList.toggle("moving")));
    });
    all.setAttribute("aria-expanded", "false");
    const stage = make("div", { className: "stage" }, art, said, make("div", { className: "controls" }, back, start, on, scrub, count, all));
    stage.setAttribute("role", "group");
    stage.setAttribute("aria-label", strip.getAttribute("aria-label"));
    let at = 0, timer = 0;

    function stop() {
      clearInterval(timer);
      timer = 0;
      start.textContent = "Play";
    }
    function run() {
      show(at === steps.length - 1 ? 0 : at + 1);
      timer = setInterval(() => (at < steps.length - 1 ? show(at + 1, true) : stop()), PACE);
      start.textContent = "Stop";
    }
    function show(n, playing = false) {
      if (!playing) stop();
      at = Math.max(0, Math.min(steps.length - 1, n));
      parts(pictures[at]).forEach((like, i) => place(mine[i], like));
      said.replaceChildren(...[...steps[at].querySelectorAll("p")].map((p) => p.cloneNode(true)));
      scrub.value = at + 1;
      scrub.setAttribute("aria-valuetext", `Step ${at + 1} of ${steps.length}`);
      count.textContent = `${at + 1} of ${steps.length}`;
      back.disabled = at === 0;
      on.disabled = at === steps.length - 1;
    }
    stage.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: steps.length - 1 }[event.key];
      if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      show(to);
    });
    figure.prepend(stage);
    figure.classList.add("moving");
    show(0);
  }

  document.querySelectorAll("figure.trace").forEach(play);
})();
