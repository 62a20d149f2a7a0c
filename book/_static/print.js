/* Before a page is printed: the light theme, and formulas that are wider than the paper broken, or made smaller. */
(() => {
  const paper = 640, size = 12.5; /* px of A4 within its margins, and of its letters; see print.css */
  const SIGNS = "=≈≤≥<>⟺+−";
  const root = document.documentElement;
  let theme = root.dataset.theme;

  function width(math) {
    const inside = document.createRange();
    inside.selectNodeContents(math);
    return (inside.getBoundingClientRect().width * size) / parseFloat(getComputedStyle(document.body).fontSize);
  }

  /* Before each of its outermost signs a formula within a line may go on in the next. */
  function split(math) {
    const row = math.children.length === 1 && math.firstElementChild.tagName === "mrow" ? math.firstElementChild : math;
    let piece = math;
    for (const node of [...row.children].slice(1)) {
      if (node.tagName === "mo" && SIGNS.includes(node.textContent)) {
        piece.after(document.createElement("wbr"), math.cloneNode(false));
        piece = piece.nextElementSibling.nextElementSibling;
        node.setAttribute("form", "infix");
      }
      if (piece !== math) piece.append(node);
    }
    return piece !== math;
  }

  function fit(math, breakable) {
    const indent = math.closest("details, .admonition, li, blockquote") ? 50 : 0;
    const number = math.closest("div.math")?.querySelector(".eqno") ? 60 : 0;
    const room = paper - indent - number;
    const parent = math.parentElement;
    if (width(math) <= room) return;
    if (breakable && math.getAttribute("display") !== "block" && split(math))
      parent.querySelectorAll("math").forEach((piece) => fit(piece, false));
    else math.style.setProperty("--fit", (room / width(math)).toFixed(3));
  }

  addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
    document.querySelectorAll("article math").forEach((math) => fit(math, true));
  });
  addEventListener("afterprint", () => {
    root.dataset.theme = theme;
  });
})();
