// What does not fit the window as it is now, in words.
() => {
  const faults = [];
  const shown = (box) =>
    box.clientWidth > 1 && box.clientHeight > 1 && box.checkVisibility({ visibilityProperty: true });
  const name = (box) => {
    const kind = [box.localName, ...box.classList].slice(0, 4).join(".");
    return `${kind} "${box.textContent.trim().replace(/\s+/g, " ").slice(0, 40)}"`;
  };
  const boxes = [...document.body.querySelectorAll("*:not(math *, svg *, pre *)")];

  const page = document.scrollingElement;
  if (page.scrollWidth > page.clientWidth) {
    const held = (box) => {
      for (let outer = box.parentElement; outer !== document.body; outer = outer.parentElement)
        if (getComputedStyle(outer).overflowX !== "visible") return true;
      return false;
    };
    const beyond = (box) => box.getBoundingClientRect().right > page.clientWidth + 1;
    const wide = boxes.find((box) => beyond(box) && shown(box) && !held(box));
    faults.push(`the page is wider than the window, ${page.scrollWidth} px: ${wide ? name(wide) : ""}`);
  }

  const clips = (overflow) => overflow === "hidden" || overflow === "clip";
  const scrolls = (overflow) => overflow === "auto" || overflow === "scroll";
  const focusable = "a[href], button, input, select, textarea, summary, [tabindex]";
  for (const box of boxes) {
    const wide = box.scrollWidth > box.clientWidth + 1;
    const high = box.scrollHeight > box.clientHeight + 1;
    if (!(wide || high) || !shown(box)) continue;
    const { overflowX, overflowY } = getComputedStyle(box);
    if (wide && clips(overflowX))
      faults.push(`cut at its side, ${box.scrollWidth} in ${box.clientWidth} px: ${name(box)}`);
    if (high && clips(overflowY))
      faults.push(`cut at its foot, ${box.scrollHeight} in ${box.clientHeight} px: ${name(box)}`);
    if (wide && scrolls(overflowX) && !box.matches(focusable) && !box.querySelector(focusable))
      faults.push(`scrolls, but not with the keyboard: ${name(box)}`);
  }
  return faults;
}
