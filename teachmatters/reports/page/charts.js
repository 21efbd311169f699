/* Charts in SVG, in the page's own colours: no library, so that the file is small and follows light and dark. */
const SVG = "http://www.w3.org/2000/svg";
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function html(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/* A number to four significant digits, as in the tables. */
function short(value) {
  return value === null || value === undefined ? "" : String(Number(Number(value).toPrecision(4)));
}

function ticks(low, high, most) {
  const raw = (high - low || 1) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((part) => part * power).find((one) => one >= raw * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

function show(event, text) {
  tip.textContent = text;
  tip.hidden = !text;
  const wide = tip.offsetWidth, gap = 12;
  tip.style.left = Math.max(4, Math.min(event.clientX + gap, innerWidth - wide - 8)) + "px";
  tip.style.top = Math.max(4, event.clientY - tip.offsetHeight - gap) + "px";
}

/* The frame of a chart: title, axes and a plane with room for the data. */
function frame(title, range, labels, size = [440, 260]) {
  const [width, height] = size, plane = { left: 46, right: width - 10, top: 26, bottom: height - 36 };
  const x = (value) => plane.left + ((value - range.x[0]) / (range.x[1] - range.x[0] || 1)) * (plane.right - plane.left);
  const y = (value) => plane.bottom - ((value - range.y[0]) / (range.y[1] - range.y[0] || 1)) * (plane.bottom - plane.top);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "chart" });
  root.append(svg("title", {}, title), svg("text", { x: plane.left, y: 14, class: "head" }, title));
  for (const value of range.yTicks ?? ticks(...range.y, 5)) {
    root.append(svg("line", { x1: plane.left, x2: plane.right, y1: y(value), y2: y(value), class: "grid" }));
    root.append(svg("text", { x: plane.left - 6, y: y(value) + 4, class: "end" }, labels.yName?.(value) ?? short(value)));
  }
  for (const value of range.xTicks ?? ticks(...range.x, 8)) {
    root.append(svg("text", { x: x(value), y: plane.bottom + 16, class: "mid" }, labels.xName?.(value) ?? short(value)));
  }
  root.append(svg("text", { x: (plane.left + plane.right) / 2, y: height - 4, class: "mid soft" }, labels.x ?? ""));
  if (labels.y) root.append(svg("text", { x: 11, y: (plane.top + plane.bottom) / 2, class: "mid soft", transform: `rotate(-90 11 ${(plane.top + plane.bottom) / 2})` }, labels.y));
  return { root, x, y, plane };
}

function spread(values, room = 0.06) {
  const real = values.filter(Number.isFinite), low = Math.min(...real), high = Math.max(...real);
  const gap = room * (high - low) || Math.abs(high) * 0.05 || 1;
  return [low - gap, high + gap];
}

/* Show the values of the point nearest to the pointer, and highlight its series. */
function listen(root, points) {
  root.addEventListener("pointermove", (event) => {
    const box = root.getBoundingClientRect(), scale = root.viewBox.baseVal.width / box.width;
    const at = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let best = null, least = 30 ** 2;
    for (const point of points) {
      const far = (point.x - at[0]) ** 2 + (point.y - at[1]) ** 2;
      if (far < least) [best, least] = [point, far];
    }
    show(event, best ? best.text : "");
    for (const line of root.querySelectorAll(".series")) line.classList.toggle("faint", Boolean(best) && line.dataset.name !== best.name);
  });
  root.addEventListener("pointerleave", () => {
    tip.hidden = true;
    for (const line of root.querySelectorAll(".series")) line.classList.remove("faint");
  });
}

/* Lines with their intervals, single points, and reference levels.
   series: {name, colour, dash, joined, points: [{x, y, low, high, text}]}; levels: [{y, text}] */
function plot(title, series, labels, { levels = [], xTicks } = {}) {
  const all = series.flatMap((one) => one.points);
  const range = { x: xTicks ? spread(xTicks, 0.04) : spread(all.map((point) => point.x), 0.04), xTicks, y: spread([...all.flatMap(({ y, low, high }) => [y, low ?? y, high ?? y]), ...levels.map(({ y }) => y)]) };
  const { root, x, y, plane } = frame(title, range, labels);
  const found = [];
  for (const level of levels) {
    root.append(svg("line", { x1: plane.left, x2: plane.right, y1: y(level.y), y2: y(level.y), class: "level" }));
    root.append(svg("text", { x: plane.right, y: y(level.y) - 4, class: "end soft small" }, level.text));
  }
  for (const { name, colour, dash, joined, points } of series) {
    const group = svg("g", { class: "series", style: `--c: ${colour}` });
    group.dataset.name = name;
    const at = points.map((point) => ({ ...point, name, x: x(point.x), y: y(point.y) }));
    const banded = joined && points.length > 1 && points.every(({ low }) => Number.isFinite(low));
    if (banded) group.append(svg("polygon", { class: "band", points: [...points.map((point) => `${x(point.x)},${y(point.high)}`), ...points.toReversed().map((point) => `${x(point.x)},${y(point.low)}`)].join(" ") }));
    if (joined) group.append(svg("polyline", { class: "line", points: at.map((point) => `${point.x},${point.y}`).join(" "), "stroke-dasharray": dash }));
    for (const point of at) group.append(svg("circle", { cx: point.x, cy: point.y, r: joined ? 3 : 2, class: joined ? "dot" : "dot pale" }));
    root.append(group);
    found.push(...at);
  }
  listen(root, found);
  return root;
}

/* Cells of colour: rows downwards. cells: [{x, y, colour, text}], columns and rows from 1. */
function cells(title, list, labels, size) {
  const columns = Math.max(...list.map((cell) => cell.x)), rows = Math.max(...list.map((cell) => cell.y));
  const step = Math.max(1, Math.ceil(columns / 12)), down = Math.max(1, Math.ceil(rows / 12));
  const numbers = (most, by) => Array.from({ length: most }, (_, k) => k + 1).filter((k) => (most - k) % by === 0);
  const range = { x: [0.5, columns + 0.5], y: [rows + 0.5, 0.5], xTicks: numbers(columns, step), yTicks: numbers(rows, down) };
  const { root, x, y } = frame(title, range, labels, size);
  const wide = x(2) - x(1), high = y(2) - y(1);
  for (const cell of list) {
    const box = svg("rect", { x: x(cell.x - 0.5), y: y(cell.y - 0.5), width: wide, height: high, fill: cell.colour, class: "cell" });
    box.addEventListener("pointermove", (event) => show(event, cell.text));
    box.addEventListener("pointerleave", () => (tip.hidden = true));
    root.append(box);
  }
  return root;
}

const VIRIDIS = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];
const INFERNO = [[0, 0, 4], [33, 12, 74], [87, 16, 110], [138, 34, 106], [188, 55, 84], [228, 90, 49], [249, 142, 9], [249, 203, 53], [252, 255, 164]];
const viridis = (share) => between(VIRIDIS, share), inferno = (share) => between(INFERNO, share);
function between(colours, share) {
  const at = Math.max(0, Math.min(1, share)) * (colours.length - 1), k = Math.min(colours.length - 2, Math.floor(at));
  return `rgb(${colours[k].map((low, part) => Math.round(low + (at - k) * (colours[k + 1][part] - low))).join(",")})`;
}
