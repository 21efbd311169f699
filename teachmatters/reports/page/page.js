"use strict";
const looks = JSON.parse(document.getElementById("looks").textContent);
const charts = [];
const PANEL = ["metric", "protocol", "dataset", "split"];

/* Sorting: a table's bodies move, each a line with what belongs to it. */
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

/* Figures: from the rows that stand in the page. */
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

function safe(text) {  // Plotly reads some tags in its texts
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function layout(extra) {
  const style = getComputedStyle(document.documentElement);
  const [text, line] = ["--text", "--line"].map((name) => style.getPropertyValue(name).trim());
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
  const base = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: text, size: 12 }, showlegend: false, margin: { l: 50, r: 12, t: 40, b: 42 }, hovermode: "closest" };
  const made = Object.assign(base, extra);
  made.xaxis = Object.assign({}, axis, extra.xaxis);
  made.yaxis = Object.assign({}, axis, extra.yaxis);
  return made;
}

function draw(holder, traces, extra, className) {
  const box = document.createElement("div");
  box.className = "chart";
  holder.append(box);
  const chart = { box, extra };
  Plotly.newPlot(box, traces, layout(extra), { responsive: true, displaylogo: false, displayModeBar: false });
  charts.push(chart);
  return chart;
}

function lines(holder, data) {
  const rows = rowsOf(data);
  const own = (row) => (row.head ?? null) === null && (row.category ?? null) === null;
  const depths = new Set(rows.map((row) => row.depth));
  const x = (row) => (depths.size > 1 ? row.layer / row.depth : row.layer);
  const last = rows.reduce((most, row) => Math.max(most, row.layer), 1);
  const axis = depths.size > 1 ? { title: { text: "Relative depth" } } : { title: { text: "Layer" }, tick0: 0, dtick: Math.ceil(last / 12) };
  legend(holder, [...new Set(rows.map((row) => row.model))]);
  for (const panel of panels(rows, data.order)) {
    const traces = [];
    for (const line of group(panel.filter(own), ["model"])) traces.push(trace(line, x, "lines+markers"));
    for (const points of group(panel.filter((row) => !own(row)), ["model"])) traces.push(trace(points, x, "markers"));
    const title = [data.titles[panel[0].metric], ...data.differ.map((name) => panel[0][name])].filter((part) => part && part !== "all").map(safe).join(" / ");
    draw(holder, traces, { title: { text: title, font: { size: 13 } }, xaxis: axis, yaxis: {} });
  }
}

/* In the order of the drawings, which is not that of the query. */
function panels(rows, order) {
  const place = new Map(order.map((key, k) => [JSON.stringify(key), k]));
  const of = ([row]) => place.get(JSON.stringify(PANEL.map((name) => row[name] ?? null)));
  return group(rows, PANEL).sort((a, b) => of(a) - of(b));
}

function trace(rows, x, mode) {
  const model = rows[0].model;
  const look = looks[model] || { colour: "#777", dash: "solid" };
  const finer = (row) => (row.head != null ? ", head " + row.head : "") + (row.category != null ? ", " + row.category : "");
  return {
    mode, name: safe(model), x: rows.map(x), y: rows.map((row) => row.value),
    text: rows.map((row) => safe(`${model}, layer ${row.layer}${finer(row)}`)),
    hovertemplate: "%{text}<br>%{y}<extra></extra>", opacity: mode === "markers" ? 0.35 : 1,
    line: { color: look.colour, dash: look.dash, width: 2 }, marker: { color: look.colour, size: mode === "markers" ? 4 : 5 },
  };
}

function legend(holder, models) {
  const box = document.createElement("div");
  box.className = "legend";
  const order = Object.keys(looks);
  for (const model of models.sort((a, b) => order.indexOf(a) - order.indexOf(b))) {
    const entry = document.createElement("span");
    const mark = document.createElement("i");
    mark.style.borderColor = (looks[model] || {}).colour || "#777";
    mark.style.borderTopStyle = (looks[model] || {}).dash === "solid" ? "solid" : "dashed";
    entry.append(mark, model);
    box.append(entry);
  }
  holder.append(box);
}

function pairs(holder, data) {
  const rows = rowsOf(data);
  const parts = group(rows, ["metric", "dataset", "split", "model", "other_model"]);
  const label = document.createElement("label");
  const select = document.createElement("select");
  label.className = "pick";
  label.append("Pair of models: ", select);
  holder.append(label);
  holder.classList.add("square");
  parts.forEach((part, place) => select.add(new Option(`${part[0].model} and ${part[0].other_model}`, place)));
  select.value = Math.max(0, parts.findIndex((part) => part[0].model !== part[0].other_model));
  const low = rows.reduce((least, row) => Math.min(least, row.value), 0);
  const chart = draw(holder, ...square(parts[select.value], data, low));
  select.addEventListener("change", () => {
    const [traces, extra] = square(parts[select.value], data, low);
    chart.extra = extra;
    Plotly.react(chart.box, traces, layout(extra));
  });
}

function square(part, data, low) {
  const [xs, ys] = ["other_layer", "layer"].map((name) => [...new Set(part.map((row) => row[name]))].sort((a, b) => a - b));
  const at = new Map(part.map((row) => [row.layer + "," + row.other_layer, row.value]));
  const z = ys.map((y) => xs.map((x) => at.get(y + "," + x) ?? null));
  const [first] = part;
  const trace = { type: "heatmap", x: xs, y: ys, z, zmin: low, zmax: 1, colorscale: "Viridis", hovertemplate: `layer %{y} and layer %{x}<br>%{z}<extra></extra>` };
  const extra = { title: { text: safe(data.titles[first.metric]), font: { size: 13 } }, xaxis: { title: { text: safe(first.other_model) + ", layer" }, dtick: Math.ceil(xs.length / 12) }, yaxis: { title: { text: safe(first.model) + ", layer" }, dtick: Math.ceil(ys.length / 12) } };
  return [[trace], extra];
}

for (const holder of document.querySelectorAll(".charts")) {
  const data = JSON.parse(document.getElementById(holder.dataset.of).textContent);
  ({ lines, pairs })[holder.dataset.kind](holder, data);
}

function refresh() {
  for (const { box, extra } of charts) Plotly.relayout(box, layout(extra));
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
/* On paper nothing unfolds by itself; tables of more than a page would bury the rest. */
addEventListener("beforeprint", () => {
  for (const table of document.querySelectorAll("details table.sortable")) if (table.rows.length <= 60) table.closest("details").open = true;
});
