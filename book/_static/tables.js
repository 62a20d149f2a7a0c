// A table of class `sortable` gets headings that sort and a line that filters. Without this script every row
// stays in view, in reading order.
(() => {
  function make(tag, attributes, ...children) {
    const node = Object.assign(document.createElement(tag), attributes);
    node.append(...children);
    return node;
  }

  const isHeading = (row) => row.classList.contains("table-heading");
  const marks = (row, of) => [...row.classList].filter((name) => name.startsWith(of)).map((name) => name.slice(of.length));

  // Numbers by size, words by the alphabet; what is empty comes last either way.
  function compare(a, b, sign) {
    if (a === "–" || b === "–") return (a === "–") - (b === "–");
    const [x, y] = [parseFloat(a), parseFloat(b)];
    return sign * (isNaN(x) || isNaN(y) ? a.localeCompare(b) : x - y);
  }

  function choice(name, options) {
    const all = make("option", { value: "", textContent: "all" });
    const others = options.map((value) => make("option", { value, textContent: value.replaceAll("_", " ") }));
    return make("select", { name }, all, ...others);
  }

  const labelled = (name, field) => make("label", {}, `${name} `, field);

  function start(table) {
    const body = table.tBodies[0];
    const inReadingOrder = [...body.rows];
    const headings = inReadingOrder.filter(isHeading);
    const rows = inReadingOrder.filter((row) => !isHeading(row));
    const headingOf = new Map();
    for (let above = null, i = 0; i < inReadingOrder.length; i++) {
      if (isHeading(inReadingOrder[i])) above = inReadingOrder[i];
      else headingOf.set(inReadingOrder[i], above);
    }
    const words = new Map(rows.map((row) => [row, `${headingOf.get(row)?.textContent} ${row.textContent}`.toLowerCase()]));
    const present = (of) => [...new Set(rows.flatMap((row) => marks(row, of)))];

    // --- filtering

    const text = make("input", { type: "search", name: "words" });
    const part = choice("part", present("part-"));
    const kind = choice("evidence", present("kind-").sort());
    const count = make("output", {});
    const fields = [["Words", text], ["Part", part], ["Evidence", kind]].map(([name, field]) => labelled(name, field));
    const bar = make("form", { className: "table-filter" }, ...fields, count);
    bar.addEventListener("submit", (event) => event.preventDefault());
    table.before(bar);

    function fits(row) {
      const wanted = text.value.toLowerCase().split(/\s+/);
      const has = (of, select) => !select.value || marks(row, of).includes(select.value);
      return has("part-", part) && has("kind-", kind) && wanted.every((word) => words.get(row).includes(word));
    }

    function show() {
      for (const row of rows) row.hidden = !fits(row);
      const left = rows.filter((row) => !row.hidden);
      const above = new Set(inOrder() ? left.map((row) => headingOf.get(row)) : []);
      for (const heading of headings) heading.hidden = !above.has(heading);
      count.textContent = left.length < rows.length ? `${left.length} of ${rows.length}` : "";
    }
    bar.addEventListener("input", show);

    // --- sorting

    const columns = [...table.tHead.rows[0].cells];
    const inOrder = () => columns[0].getAttribute("aria-sort") === "ascending";

    function sort(place) {
      const descending = columns[place].getAttribute("aria-sort") === "ascending";
      for (const column of columns) column.removeAttribute("aria-sort");
      columns[place].setAttribute("aria-sort", descending ? "descending" : "ascending");
      const cell = (row) => row.cells[place].textContent.trim();
      const sign = descending ? -1 : 1;
      if (place) body.append(...[...rows].sort((a, b) => compare(cell(a), cell(b), sign)));
      else body.append(...(descending ? [...inReadingOrder].reverse() : inReadingOrder));
      show();
    }

    columns.forEach((column, place) => {
      const button = make("button", { type: "button", textContent: column.textContent.trim() });
      column.replaceChildren(button);
      button.addEventListener("click", () => sort(place));
    });
    columns[0].setAttribute("aria-sort", "ascending");
    show(); // what a browser restores on the way back
  }

  addEventListener("DOMContentLoaded", () => document.querySelectorAll("table.sortable").forEach(start));
})();
