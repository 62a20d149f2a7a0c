// What axe-core finds that is serious or critical. Contrast is measured once for each pairing of colours.
async (everything) => {
  for (const math of document.querySelectorAll("math")) math.replaceChildren(math.textContent);

  const ground = (box) => {
    const layers = [];
    for (; box; box = box.parentElement) {
      const { backgroundColor } = getComputedStyle(box);
      if (backgroundColor !== "rgba(0, 0, 0, 0)") layers.push(backgroundColor);
      if (/^rgb\(/.test(backgroundColor)) break;
    }
    return layers;
  };
  const pairings = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const box = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !box.checkVisibility()) continue;
    const { color, fontSize, fontWeight, opacity } = getComputedStyle(box);
    const inLink = box.closest("p a, li a") !== null;
    pairings.set([color, fontSize, fontWeight, opacity, inLink, ...ground(box)].join(), box);
  }

  const colours = ["color-contrast", "link-in-text-block"];
  const options = { resultTypes: ["violations"], preload: false };
  const off = Object.fromEntries(colours.map((rule) => [rule, { enabled: false }]));
  const runs = [await axe.run({ include: [...pairings.values()] }, { ...options, runOnly: colours })];
  if (everything) runs.push(await axe.run(document, { ...options, rules: off }));
  const found = runs.flatMap(({ violations }) => violations);
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, any, all, none }) => {
        const why = [...any, ...all, ...none].map(({ message }) => message).join("; ");
        return `axe, ${id}: ${target.join(" ")}: ${why}`;
      }),
    );
}
