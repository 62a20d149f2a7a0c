// What a page holds: links, anchors, the bytes that it has loaded, and what is wrong with it, in words.
() => {
  const text = (node, length = 60) => node.textContent.trim().replace(/\s+/g, " ").slice(0, length);
  const faults = [];

  for (const image of document.images) {
    const content = image.closest("article, main") && image.getAttribute("role") !== "presentation";
    const alt = image.getAttribute("alt");
    if (alt === null || (content && !alt.trim()))
      faults.push(`image without alt text: ${image.getAttribute("src").slice(0, 80)}`);
  }

  for (const error of document.querySelectorAll("merror, mjx-merror"))
    faults.push(`formula with an error: ${text(error.closest("math") ?? error)}`);
  const verbatim = "code, pre, script, style, textarea, annotation, kbd";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (/\$\$|\\\(|\\\[/.test(node.data) && !node.parentElement.closest(verbatim))
      faults.push(`formula left as TeX: ${text(node)}`);
  }

  const seen = new Set();
  for (const { id } of document.querySelectorAll("[id]:not(svg *)")) {
    if (seen.has(id)) faults.push(`two elements have the id ${id}`);
    seen.add(id);
  }
  const anchors = [...seen, ...[...document.querySelectorAll("a[name]")].map((anchor) => anchor.name)];
  const links = [...document.querySelectorAll("a[href], area[href]")].map((link) => link.href);
  const loads = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  const weight = loads.reduce((sum, load) => sum + load.encodedBodySize, 0);
  return { faults, anchors, links: [...new Set(links)], weight };
}
