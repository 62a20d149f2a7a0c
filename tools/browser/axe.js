// What axe-core finds that is serious or critical, by the theme it was found in. Contrast is measured once for each
// pairing of colours, and in a page thinned to where they stand: axe looks at all of a page each time it is asked.
async (themes) => {
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
  const paired = () => {
    const pairings = new Map();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const box = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || !box.checkVisibility()) continue;
      const { color, fontSize, fontWeight, opacity } = getComputedStyle(box);
      const inLink = box.closest("p a, li a") !== null;
      pairings.set([color, fontSize, fontWeight, opacity, inLink, ...ground(box)].join(), box);
    }
    return [...pairings.values()];
  };
  const thin = (kept) => {
    const stays = new Set();
    for (let box of kept) for (; box; box = box.parentElement) stays.add(box);
    for (const box of document.body.querySelectorAll("*")) {
      if (!stays.has(box) && !kept.includes(box.parentElement) && box.localName !== "style") box.remove();
    }
  };
  const dress = (theme) => { document.documentElement.dataset.theme = theme; };

  const colours = ["color-contrast", "link-in-text-block"];
  const options = { resultTypes: ["violations"], preload: false };
  // "region" is moderate, and takes as long as any twenty of the others
  const off = Object.fromEntries([...colours, "region"].map((rule) => [rule, { enabled: false }]));
  const found = [[themes[0], await axe.run(document, { ...options, rules: off })]];
  const boxes = themes.map((theme) => (dress(theme), paired()));
  thin(boxes.flat());
  for (const [i, theme] of themes.entries()) {
    dress(theme);
    found.push([theme, await axe.run({ include: boxes[i] }, { ...options, runOnly: colours })]);
  }
  return found.flatMap(([theme, { violations }]) =>
    violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) =>
        nodes.map(({ target, any, all, none }) => {
          const why = [...any, ...all, ...none].map(({ message }) => message).join("; ");
          return [theme, `axe, ${id}: ${target.join(" ")}: ${why}`];
        }),
      ),
  );
}
