// What stays folded on paper, or unfolded after it, in words.
() => {
  const boxes = [...document.querySelectorAll("details")];
  const folded = () => boxes.filter((box) => !box.open);
  const before = folded();
  dispatchEvent(new Event("beforeprint"));
  const left = folded();
  dispatchEvent(new Event("afterprint"));
  const after = folded();
  const faults = [];
  if (left.length) faults.push(`${left.length} of ${boxes.length} details stay folded`);
  if (after.length !== before.length) faults.push("what was unfolded to be printed stays unfolded");
  return faults;
}
