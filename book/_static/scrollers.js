// What scrolls sideways is a stop of the Tab key. What is folded is measured when it is opened: the theme's own
// script, which measures all when the page has loaded, cost a second of layout (book/_ext/light.py takes it out).
(() => {
  const BOXES = ".bd-article :is(pre, table, div.math, .cell_output > .output, span.math, :is(p, li):has(> span.math))";

  function measure() {
    const boxes = [...document.querySelectorAll(BOXES)].filter((box) => !box.closest("details:not([open])"));
    const wide = boxes.map((box) => box.scrollWidth > box.clientWidth); // all are read before the first is changed
    boxes.forEach((box, i) => (wide[i] ? box.setAttribute("tabindex", 0) : box.removeAttribute("tabindex")));
  }

  let timer;
  function soon() {
    clearTimeout(timer);
    timer = setTimeout(measure, 300);
  }
  addEventListener("load", soon);
  addEventListener("resize", soon);
  addEventListener("toggle", soon, { capture: true }); // an unfolded part
})();
