/* Under each page or section that the search has found: the passage with the words, and a link to its section. */
document.addEventListener("DOMContentLoaded", () => {
  const results = document.getElementById("search-results");
  const query = new URLSearchParams(location.search).get("q");
  if (!results || !query) return;
  const [, stems, , words] = Search._parseQuery(query);
  const terms = [...words, ...stems].map((term) => term.toLowerCase());
  const length = 240;

  const hits = (text) => terms.filter((term) => text.toLowerCase().includes(term)).length;

  function sectionOf(link) {
    const [page, anchor] = link.getAttribute("href").split("#");
    const sections = SEARCH_TEXTS[page.replace(/\.html$/, "")] ?? [];
    const named = sections.find(([id]) => anchor && id === anchor);
    const best = sections.reduce((a, b) => (hits(b[1] + " " + b[2]) > hits(a[1] + " " + a[2]) ? b : a), ["", "", ""]);
    return { page, inside: !named && best !== sections[0], section: named ?? best };
  }

  function passage(text) {
    const places = terms.map((term) => text.toLowerCase().indexOf(term)).filter((place) => place >= 0);
    const from = text.lastIndexOf(" ", Math.max(Math.min(...places, text.length) - length / 3, 0)) + 1;
    const start = places.length ? from : 0;
    const end = text.length > start + length ? text.lastIndexOf(" ", start + length) : text.length;
    return `${start ? "… " : ""}${text.slice(start, end)}${end < text.length ? " …" : ""}`;
  }

  function summarize(item) {
    const { page, inside, section } = sectionOf(item.querySelector("a"));
    const [anchor, title, text] = section;
    const summary = document.createElement("p");
    summary.className = "context";
    if (inside && anchor) {
      const link = summary.appendChild(document.createElement("a"));
      link.href = `${page}#${anchor}`;
      link.textContent = title;
      summary.append(": ");
    }
    summary.append(passage(text));
    words.forEach((word) => _highlightText(summary, word, "highlighted"));
    item.append(summary);
  }

  const summarizeAll = () =>
    results.querySelectorAll("ul.search > li:not(:has(> span, > p.context))").forEach(summarize);
  new MutationObserver(summarizeAll).observe(results, { childList: true, subtree: true });
  summarizeAll();
});
