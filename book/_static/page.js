// What is folded opens for a link that leads into it, and on paper; what moves is drawn when asked for.
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  let closed = false;
  for (let box = target?.closest("details"); box; box = box.parentElement.closest("details")) {
    closed ||= !box.open;
    box.open = true;
  }
  for (const box of target?.querySelectorAll(":scope > details") ?? []) box.open = true;
  if (closed) target.scrollIntoView();
};
addEventListener("hashchange", reveal);
addEventListener("DOMContentLoaded", reveal);

let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not([open])")];
  for (const box of unfolded) box.open = true;
});
addEventListener("afterprint", () => {
  for (const box of unfolded) box.open = false;
});

const here = document.currentScript.src;
for (const box of document.querySelectorAll("details.lemmata-slider")) {
  box.addEventListener("toggle", () => {
    const script = document.createElement("script");
    script.src = new URL("slider.js", here);
    script.addEventListener("load", () => drawSlider(box));
    document.head.append(script);
  }, { once: true });
}
