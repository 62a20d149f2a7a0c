// Colour speaks for itself once: of the pieces of code of one class, one stays, the others become plain text.
// A chapter has some 17,000 of them, and every check would look at each.
() => {
  const seen = new Set();
  for (const piece of document.querySelectorAll("pre span")) {
    if (piece.childElementCount) continue;
    if (seen.has(piece.className)) piece.replaceWith(piece.textContent);
    seen.add(piece.className);
  }
}
