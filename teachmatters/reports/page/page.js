"use strict";
const looks = JSON.parse(document.getElementById("looks").textContent);
const PANEL = ["metric", "protocol", "dataset", "split"];

/* Sort a table by its bodies, each of which is a line with the lines that belong to it. */
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.firstChild.addEventListener("click", () => sort(table, heads, head, column)));
}

function sort(table, heads, head, column) {
  const down = head.getAttribute("aria-sort") !== "descending";
  const key = (body) => {
    const text = body.rows[0].cells[column].textContent;
    const number = parseFloat(text);
    return { text, number };
  };
  const bodies = [...table.tBodies].map((body) => [key(body), body]);
  bodies.sort(([a], [b]) => {
    if (!a.text || !b.text) return (a.text ? 0 : 1) - (b.text ? 0 : 1);  // blanks last, both ways
    const both = !Number.isNaN(a.number) && !Number.isNaN(b.number);
    const order = both ? a.number - b.number : a.text.localeCompare(b.text);
    return down ? -order : order;
  });
  for (const [, body] of bodies) table.insertBefore(body, table.tFoot);
  heads.forEach((each) => each.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
}

/* Draw figures from the rows embedded in the page. */
function rowsOf(data) {
  return data.rows.map((row) => Object.assign({}, data.constant, Object.fromEntries(data.columns.map((name, k) => [name, row[k]]))));
}

function group(rows, names) {
  const parts = new Map();
  for (const row of rows) {
    const key = JSON.stringify(names.map((name) => row[name] ?? null));
    if (!parts.has(key)) parts.set(key, []);
    parts.get(key).push(row);
  }
  return [...parts.values()];
}


const lookOf = (model) => looks[model] || { colour: "#777", dash: "", title: model };
const nameOf = (model) => (looks[model] || {}).name || model;
const isOwn = (row) => (row.head ?? null) === null && (row.category ?? null) === null;
const titleOf = (data, row) => [data.titles[row.metric], ...data.differ.map((name) => row[name])].filter((part) => part && part !== "all").join(" / ");

/* Panels in the order of the figures, which differs from that of the query. */
function inOrder(panels, data) {
  const place = new Map(data.order.map((key, k) => [JSON.stringify(key), k]));
  const of = ([row]) => place.get(JSON.stringify(PANEL.map((name) => row[name] ?? null)));
  return panels.sort((a, b) => of(a) - of(b));
}

/* Curves over the layers, one panel per metric and data set. */
function lines(holder, data) {
  const plain = "plain" in holder.dataset;
  const rows = rowsOf(data).filter((row) => !plain || (isOwn(row) && (!data.dataset || row.dataset === data.dataset)));
  const deep = new Set(rows.map((row) => row.depth)).size > 1;
  const x = (row) => (deep ? row.layer / row.depth : row.layer);
  const last = rows.reduce((most, row) => Math.max(most, row.layer), 1), step = Math.ceil(last / 12);
  const xTicks = deep ? undefined : Array.from({ length: last }, (_, k) => k + 1).filter((k) => (last - k) % step === 0);
  if (!plain) legend(holder, [...new Set(rows.map((row) => row.model))]);
  const panels = inOrder(group(rows, PANEL), data).slice(0, holder.dataset.panels || undefined);
  for (const panel of panels) {
    const own = group(panel.filter(isOwn), ["model"]).map((line) => series(line, x, data, true));
    const finer = group(panel.filter((row) => !isOwn(row)), ["model"]).map((points) => series(points, x, data, false));
    holder.append(plot(titleOf(data, panel[0]), [...finer, ...own], { x: deep ? "relative depth" : "layer" }, { levels: [...data.levels, ...references(panel)], xTicks }));
  }
}

/* The value that all models of a panel are compared with, such as that of chance. */
function references(panel) {
  const known = panel.filter((row) => isOwn(row) && (row.reference ?? null) !== null);
  const values = new Set(known.map((row) => short(row.reference)));
  return values.size === 1 ? [{ y: known[0].reference, text: known[0].reference_name }] : [];
}

function series(rows, x, data, joined) {
  const { colour, dash, title } = lookOf(rows[0].model);
  const points = rows.map((row) => {
    const half = joined && row.std != null && row.n ? (1.96 * row.std) / Math.sqrt(row.n) : NaN;
    const finer = (row.head != null ? `, head ${row.head}` : "") + (row.category != null ? `, ${row.category}` : "");
    const sure = Number.isFinite(half) ? ` (95 %: ${short(row.value - half)} to ${short(row.value + half)})` : "";
    return { x: x(row), y: row.value, low: row.value - half, high: row.value + half, text: `${title}\nlayer ${row.layer}${finer}: ${short(row.value)}${sure}` };
  });
  return { name: rows[0].model, colour, dash, joined, points };
}

/* Two metrics, one point per layer or head. */
function scatter(holder, data) {
  const rows = rowsOf(data);
  legend(holder, [...new Set(rows.map((row) => row.model))]);
  for (const panel of group(rows, ["other_metric", "dataset", "split", "other_dataset"])) {
    const found = group(panel, ["model"]).map((own) => ({
      name: own[0].model, colour: lookOf(own[0].model).colour, dash: "1 4", joined: true,
      points: own.map((row) => ({ x: row.value, y: row.other_value, text: `${lookOf(row.model).title}\nlayer ${row.layer}: ${short(row.value)}, ${short(row.other_value)}` })),
    }));
    const [first, second] = [panel[0].metric, panel[0].other_metric].map((name) => data.titles[name]);
    holder.append(plot(`${second} over ${first}`, found, { x: first, y: second }));
  }
}

/* Each model's best layer on each task; pale marks are layers tied with it. */
function dots(holder, data) {
  const rows = rowsOf(data), order = Object.keys(looks).filter((name) => rows.some((row) => row.model === name));
  const place = (row) => order.length - order.indexOf(row.model);
  for (const task of inOrder(group(rows, [...PANEL, "setting"]), data)) {
    const deepest = Math.max(...rows.map((row) => row.depth || row.layer));
    const range = { x: [0, deepest + 0.5], y: [0.4, order.length + 0.6], yTicks: order.map((_, k) => k + 1) };
    const { root, x, y } = frame(titleOf(data, task[0]), range, { x: "best layer", yName: () => "" });
    const found = [];
    for (const row of task) {
      const { colour, title } = lookOf(row.model), level = y(place(row)), sure = row.low == null ? "" : ` (95 %: ${short(row.low)} to ${short(row.high)})`;
      const mark = svg("g", { class: "series", style: `--c: ${colour}` });
      mark.dataset.name = row.model;
      mark.append(svg("line", { x1: x(0), x2: x(row.layer), y1: level, y2: level, class: "line pale" }));
      for (const tied of String(row.tied_layers ?? "").split(",").filter(Boolean)) mark.append(svg("line", { x1: x(+tied), x2: x(+tied), y1: level - 5, y2: level + 5, class: "line" }));
      mark.append(svg("circle", { cx: x(row.layer), cy: level, r: 5, class: "dot" }));
      mark.append(svg("text", { x: x(0.1), y: level - 7, class: "small soft" }, `${nameOf(row.model)}: ${short(row.value)}`));
      root.append(mark);
      found.push({ x: x(row.layer), y: level, name: row.model, text: `${title}\nlayer ${row.layer}: ${short(row.value)}${sure}` });
    }
    listen(root, found);
    holder.append(root);
  }
}

/* One cell per head: layers to the right, heads downwards. */
function heads(holder, data) {
  const all = rowsOf(data), kinds = data.kinds;
  const rows = all.filter((row) => !data.dataset || row.dataset === data.dataset);
  const values = rows.map((row) => row.value ?? 0), low = Math.min(...values), high = Math.max(...values);
  holder.classList.add("small-charts");
  if (kinds) holder.append(key(Object.entries(kinds).filter(([kind]) => rows.some((row) => row.type === kind))));
  else holder.append(html("p", "legend soft", `${data.titles[rows[0].metric]}: from ${short(low)} (dark blue) to ${short(high)} (yellow), ${data.dataset}`));
  const order = Object.keys(looks);
  for (const own of group(rows, ["model"]).sort(([a], [b]) => order.indexOf(a.model) - order.indexOf(b.model))) {
    const list = own.map((row) => ({
      x: row.layer, y: row.head, colour: kinds ? kinds[row.type] : viridis((row.value - low) / (high - low || 1)),
      text: kinds ? `[${row.layer}, ${row.head}] ${row.type}, evidence ${short(row.evidence)}` : `[${row.layer}, ${row.head}] ${short(row.value)}`,
    }));
    holder.append(cells(lookOf(own[0].model).title, list, { x: "layer" }, [440, 200]));
  }
}

function legend(holder, models) {
  const order = Object.keys(looks);
  models.sort((a, b) => order.indexOf(a) - order.indexOf(b));
  holder.append(key(models.map((model) => [lookOf(model).title, lookOf(model).colour])));
}

function key(entries) {
  const box = html("div", "legend");
  for (const [name, colour] of entries) {
    const mark = html("i");
    mark.style.background = colour;
    const entry = html("span", "", mark, name);
    entry.style.setProperty("--c", colour);
    box.append(entry);
  }
  return box;
}

/* Squares for all pairs of models; the one that was clicked or chosen is drawn large. */
function pairs(holder, data) {
  const rows = rowsOf(data), low = rows.reduce((least, row) => Math.min(least, row.value), 0);
  const parts = group(rows, ["metric", "dataset", "split", "model", "other_model"]);
  const order = Object.keys(looks).filter((name) => rows.some((row) => row.model === name));
  const select = html("select");
  parts.forEach((part, place) => select.add(new Option(`${nameOf(part[0].model)} and ${nameOf(part[0].other_model)}`, place)));
  select.value = Math.max(0, parts.findIndex((part) => part[0].model !== part[0].other_model));
  const label = html("label", "pick", "Pair of models: ", select), large = html("div", "large");
  const draw = () => large.replaceChildren(square(parts[select.value], data, low));
  select.addEventListener("change", draw);
  holder.append(label, large, overview(parts, order, low, (place) => { select.value = place; draw(); }));
  draw();
}

function square(part, data, low) {
  const [{ model, other_model: other, metric }] = part, up = Math.max(...part.map((row) => row.layer));
  const list = part.map((row) => ({ x: row.other_layer, y: up + 1 - row.layer, colour: viridis((row.value - low) / (1 - low)), text: `${lookOf(model).title}, layer ${row.layer}\n${lookOf(other).title}, layer ${row.other_layer}\n${short(row.value)}` }));
  return cells(data.titles[metric], list, { x: `${nameOf(other)}, layer`, y: `${nameOf(model)}, layer`, yName: (k) => String(up + 1 - k) }, [440, 400]);
}

function overview(parts, order, low, choose) {
  const side = Math.max(...parts.flat().map((row) => Math.max(row.layer, row.other_layer))) + 1, canvas = html("canvas", "overview");
  canvas.width = canvas.height = order.length * side;
  const paint = canvas.getContext("2d");
  for (const part of parts) {
    const [top, left] = [part[0].model, part[0].other_model].map((name) => order.indexOf(name) * side);
    for (const row of part) {
      paint.fillStyle = viridis((row.value - low) / (1 - low));
      paint.fillRect(left + row.other_layer - 1, top + side - 1 - row.layer, 1, 1);
    }
  }
  const at = (event) => {
    const box = canvas.getBoundingClientRect(), [column, row] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((share) => order[Math.floor(share * order.length)]);
    return parts.findIndex((part) => part[0].model === row && part[0].other_model === column);
  };
  canvas.addEventListener("pointermove", (event) => show(event, parts[at(event)] ? `${nameOf(parts[at(event)][0].model)} and ${nameOf(parts[at(event)][0].other_model)}` : ""));
  canvas.addEventListener("pointerleave", () => (tip.hidden = true));
  canvas.addEventListener("click", (event) => at(event) >= 0 && choose(at(event)));
  return html("div", "", html("p", "soft small", `All pairs, ${order.map(nameOf).join(", ")}: rows and columns in this order, layer 1 at the lower left; a click draws one large.`), canvas);
}

for (const holder of document.querySelectorAll(".charts")) {
  const data = JSON.parse(document.getElementById(holder.dataset.of).textContent);
  ({ lines, pairs, scatter, dots, heads, maps })[holder.dataset.kind](holder, data);
}

/* An explorer is a document of its own, drawn when it comes near. */
for (const holder of document.querySelectorAll(".explorer")) {
  const near = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    near.disconnect();
    const frame = html("iframe");
    frame.title = "Explorer";
    frame.srcdoc = JSON.parse(document.getElementById(holder.dataset.of).textContent);
    holder.append(frame);
  }, { rootMargin: "400px 0px" });
  near.observe(holder);
}

/* The contents mark the section in view. */
const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const watch = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) {
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(target.id)?.setAttribute("aria-current", "true");
  }
}, { rootMargin: "0px 0px -70% 0px" });
for (const section of document.querySelectorAll("section[id]")) watch.observe(section);
for (const link of links.values()) link.addEventListener("click", () => { if (innerWidth < 1100) link.closest("details").open = false; });
if (innerWidth < 1100) document.querySelector("nav details").open = false;

/* Unfold for printing, except tables longer than a page. */
addEventListener("beforeprint", () => {
  for (const table of document.querySelectorAll("details table.sortable")) if (table.rows.length <= 60) table.closest("details").open = true;
});
