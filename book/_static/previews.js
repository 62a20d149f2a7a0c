// A link to a statement, an equation, a figure, a source or a term shows it in a box: under the pointer, or with
// the focus of the keyboard. What a page has to show is in _static/previews/<page>.js, loaded when first needed.
(() => {
  const LINKS = ".bd-article a.internal[href*='#']";
  const SHOW = 200, HIDE = 300; // milliseconds that a pointer rests, or takes to cross from the link to the box
  const root = new URL(document.documentElement.dataset.content_root, location.href);
  const known = (window.lemmataPreviews = {}); // page: {anchor: HTML}, filled by the scripts
  const loading = {};

  const box = document.createElement("div");
  box.className = "lemmata-preview";
  box.role = "group";
  box.ariaLabel = "Preview";
  box.popover = "auto"; // above everything, closed by a click elsewhere
  if (!box.showPopover) return;

  function load(page) {
    loading[page] ??= new Promise((done) => {
      const script = document.createElement("script");
      script.src = new URL(`_static/previews/${page}.js`, root);
      script.onload = script.onerror = done;
      document.head.append(script);
    });
    return loading[page];
  }

  async function lookup({ href }) {
    const { pathname, hash } = new URL(href);
    const page = decodeURIComponent(pathname.slice(root.pathname.length)).replace(/\.html$/, "");
    await load(page);
    return known[page]?.[decodeURIComponent(hash.slice(1))];
  }

  function content(html, base) {
    const { content } = Object.assign(document.createElement("template"), { innerHTML: html });
    for (const link of content.querySelectorAll(".headerlink")) link.remove();
    for (const node of content.querySelectorAll("[id]")) node.removeAttribute("id"); // no two on a page
    for (const name of ["href", "src"]) {
      for (const node of content.querySelectorAll(`[${name}]`)) {
        node.setAttribute(name, new URL(node.getAttribute(name), base).href);
      }
    }
    return content;
  }

  let owner = null; // the link that the box belongs to
  let timer = 0;
  const later = (action, delay) => {
    clearTimeout(timer);
    timer = setTimeout(action, delay);
  };
  const isOpen = () => box.matches(":popover-open");
  const focused = () => [owner, box].some((node) => node?.matches(":focus-visible, :has(:focus-visible)"));

  async function show(link) {
    if (link === owner && isOpen()) return;
    owner = link;
    const html = await lookup(link);
    if (owner !== link) return; // the pointer has gone on
    if (!html) return hide();
    link.after(box); // the next stop of the Tab key
    box.replaceChildren(content(html, link.href));
    box.showPopover();
    place();
    box.scrollTop = 0;
    box.tabIndex = box.scrollHeight > box.clientHeight ? 0 : -1;
  }

  function hide() {
    owner = null;
    if (isOpen()) box.hidePopover();
  }

  function place() {
    if (!isOpen()) return;
    const { left, top, bottom } = owner.getBoundingClientRect();
    const above = top > innerHeight - bottom;
    box.style.maxHeight = `min(60vh, ${(above ? top : innerHeight - bottom) - 12}px)`;
    box.style.left = `${Math.max(8, Math.min(left, document.body.clientWidth - box.offsetWidth - 8))}px`;
    box.style.top = `${above ? top - box.offsetHeight - 4 : bottom + 4}px`;
  }

  addEventListener("pointerover", ({ pointerType, target }) => {
    if (pointerType === "touch") return; // a tap follows the link
    const link = target.closest(LINKS);
    if (box.contains(target)) clearTimeout(timer);
    else if (link) later(() => show(link), SHOW);
    else if (!focused()) later(hide, HIDE);
  });
  document.documentElement.addEventListener("pointerleave", () => focused() || later(hide, HIDE));
  addEventListener("focusin", ({ target }) => {
    if (box.contains(target)) clearTimeout(timer);
    else if (target.matches(`:is(${LINKS}):focus-visible`)) later(() => show(target), 0);
    else later(hide, 0);
  });
  addEventListener("keydown", ({ key }) => key === "Escape" && hide());
  addEventListener("scroll", place, { passive: true });
  addEventListener("resize", place);
})();
