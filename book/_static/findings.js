/* The index of findings gets a box that filters it. Without this script, every finding stays in view. */
document.addEventListener("DOMContentLoaded", () => {
  const count = document.querySelector("p.findings-count");
  if (!count) return;
  const parts = [...document.querySelectorAll(".findings-of-part")];
  const all = count.textContent;

  const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
  const show = (node, visible) => ((node.hidden = !visible), visible);
  const heading = (block) => block.querySelector(".rubric").textContent.toLowerCase();

  function filter(wanted) {
    const fits = (text) => wanted.every((word) => text.includes(word));
    let shown = 0;
    for (const part of parts) {
      let ofPart = 0;
      for (const chapter of part.querySelectorAll(".findings-of-chapter")) {
        const above = `${heading(part)} ${heading(chapter)} `;
        const items = [...chapter.querySelectorAll("li")];
        const here = items.filter((item) => show(item, fits(above + item.textContent.toLowerCase()))).length;
        show(chapter, here > 0);
        ofPart += here;
      }
      show(part, ofPart > 0);
      shown += ofPart;
    }
    count.textContent = wanted.length ? `${shown} of ${all}` : all;
  }

  const label = document.createElement("label");
  const box = document.createElement("input");
  label.className = "findings-filter";
  label.append("Show those about ", box);
  box.type = "search";
  box.placeholder = "GELU, bias, float32 …";
  box.addEventListener("input", () => filter(words(box.value)));
  count.setAttribute("aria-live", "polite");
  count.before(label);
  if (box.value) filter(words(box.value)); /* what a browser restores on the way back */
});
