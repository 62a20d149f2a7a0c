/* Before a page is printed: the light theme, and formulas and tables that are wider than the paper made to fit. */
(() => {
  const paper = 640, size = 12.5; /* px of text on A4 within its margins, and of its letters; see print.css */
  const root = document.documentElement;
  let theme = root.dataset.theme;

  function fit(node) {
    const body = parseFloat(getComputedStyle(document.body).fontSize);
    const inner = node.querySelector(":scope > *");
    const width = (Math.max(inner.scrollWidth, inner.getBoundingClientRect().width) * size) / body;
    const indent = node.closest("details, .admonition, li, blockquote") ? 50 : 0;
    const number = node.closest("div.math")?.querySelector(".eqno") ? 60 : 0;
    if (width > paper - indent - number) {
      node.style.setProperty("--fit", ((paper - indent - number) / width).toFixed(3));
    }
  }

  addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
    document.querySelectorAll("article math").forEach(fit);
  });
  addEventListener("afterprint", () => {
    root.dataset.theme = theme;
  });
})();
