// Draws the curves below a figure and moves them with a slider; page.js loads this when a reader unfolds one.
(() => {
  const WIDTH = 480, HEIGHT = 300, LEFT = 58, RIGHT = 12, TOP = 10, BOTTOM = 46;
  const LOOKS = [["#2f83c5", ""], ["#d5600a", "8 4"], ["#009a70", "9 3 2 3"], ["#b565a7", "2 3"]];

  const make = (tag, attributes, ...children) => {
    const svg = ["svg", "path", "text", "line", "g"].includes(tag);
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };

  // Round numbers between two ends, four to nine of them.
  const ticks = (low, high) => {
    const step = 10 ** Math.floor(Math.log10((high - low) / 4));
    const wide = step * [1, 2, 5].findLast((factor) => (high - low) / (step * factor) >= 3.5);
    const first = Math.ceil(low / wide - 1e-9), last = Math.floor(high / wide + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, i) => +((first + i) * wide).toPrecision(12));
  };

  const range = (numbers) => {
    const known = numbers.filter((y) => y !== null);
    const low = Math.min(...known), high = Math.max(...known);
    return high > low ? [low, high] : [low - 1, high + 1];
  };

  const axes = ({ xlabel, ylabel }, [x0, x1], [y0, y1], atX, atY) => {
    const parts = make("g", { class: "axes" });
    for (const x of ticks(x0, x1)) {
      parts.append(make("line", { x1: atX(x), x2: atX(x), y1: TOP, y2: HEIGHT - BOTTOM }));
      parts.append(make("text", { x: atX(x), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, `${x}`));
    }
    for (const y of ticks(y0, y1)) {
      parts.append(make("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: atY(y), y2: atY(y) }));
      parts.append(make("text", { x: LEFT - 6, y: atY(y) + 4, "text-anchor": "end" }, `${y}`));
    }
    const middle = (TOP + HEIGHT - BOTTOM) / 2;
    parts.append(make("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, xlabel));
    const turned = { x: -middle, y: 13, "text-anchor": "middle", transform: "rotate(-90)" };
    parts.append(make("text", turned, ylabel));
    return parts;
  };

  window.drawSlider = (box) => {
    const data = JSON.parse(box.querySelector("script").textContent);
    const curves = Object.entries(data.curves);
    const xs = range(data.x), ys = range(curves.flatMap(([, rows]) => rows.flat()));
    const atX = (x) => LEFT + ((x - xs[0]) / (xs[1] - xs[0])) * (WIDTH - LEFT - RIGHT);
    const atY = (y) => HEIGHT - BOTTOM - ((y - ys[0]) / (ys[1] - ys[0])) * (HEIGHT - TOP - BOTTOM);
    const line = (row) => {
      let pen = "M";
      return row.map((y, i) => {
        if (y === null) return (pen = "M"), "";
        const step = `${pen}${atX(data.x[i]).toFixed(1)} ${atY(y).toFixed(1)}`;
        pen = "L";
        return step;
      }).join("");
    };

    const paths = curves.map((_, i) => make("path", { stroke: LOOKS[i % 4][0], "stroke-dasharray": LOOKS[i % 4][1] }));
    const names = curves.map(([name]) => name);
    const label = `${data.ylabel} against ${data.xlabel}: ${names.join(", ")}`;
    const picture = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
    picture.append(axes(data, xs, ys, atX, atY), ...paths);
    const key = make("p", { class: "lemmata-slider-key" });
    names.forEach((name, i) => {
      const sample = make("svg", { viewBox: "0 0 30 6", "aria-hidden": "true" });
      sample.append(make("path", { d: "M0 3H30", stroke: LOOKS[i % 4][0], "stroke-dasharray": LOOKS[i % 4][1] }));
      key.append(make("span", {}, sample, ` ${name}`), " ");
    });

    const last = data.values.length - 1;
    const input = make("input", { type: "range", min: 0, max: last, value: Math.floor(last / 2) });
    input.setAttribute("aria-label", data.name);
    const shown = make("output", {});
    const move = () => {
      const at = +input.value;
      curves.forEach(([, rows], i) => paths[i].setAttribute("d", line(rows[rows.length > 1 ? at : 0])));
      shown.textContent = `${data.name} = ${data.values[at]}`;
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    input.addEventListener("input", move);
    move();
    box.append(make("div", { class: "lemmata-slider-move" }, input, shown), picture, key);
  };
})();
