/* State, events and the parts of the page. */
const $ = (selector, root = document) => root.querySelector(selector);
const state = { image: 0, query: { kind: "patch", x: 0.5, y: 0.5 }, hovered: null, depth: 1, head: -1, scale: "uniform" };
const UNIFORM = 5; // times uniform attention, the hottest colour of the scale of that name
const panels = [];

/* ---- The query: kept as a point of the image, so that models of other grids follow. ---- */
const query = () => state.hovered || state.query;

function tokenOf(model, { kind, x, y, number }) {
  const prefix = Number(model.classToken) + model.registers;
  if (kind === "cls") return model.classToken ? 0 : null;
  if (kind === "register") return number < model.registers ? Number(model.classToken) + number : null;
  if (kind === "all") return ALL;
  return prefix + patchAt(model, x, y);
}

function patchAt(model, x, y) {
  const cell = (share, count) => Math.max(0, Math.min(count - 1, Math.floor(share * count)));
  return cell(y, model.rows) * model.columns + cell(x, model.columns);
}

function pointOf(model, patch) {
  return { kind: "patch", x: (patch % model.columns + 0.5) / model.columns, y: (Math.floor(patch / model.columns) + 0.5) / model.rows };
}

function words({ kind, x, y, number }, model) {
  if (kind === "cls") return "Class token";
  if (kind === "register") return `Register ${number + 1}`;
  if (kind === "all") return "Mean over all patches";
  const patch = patchAt(model, x, y);
  return `Patch ${Math.floor(patch / model.columns) + 1}:${patch % model.columns + 1}`;
}

const layerOf = (model) => Math.round(state.depth * (model.layers.length - 1));
const headOf = (model) => Math.min(state.head, model.heads.length - 1);

/* ---- Panels: one for each model that is shown. ---- */
function addPanel(m) {
  const root = $("#panel").content.firstElementChild.cloneNode(true), panel = { root, m };
  const select = $("select", root);
  index.models.forEach((model, k) => select.add(new Option(model.label, k, false, k === m)));
  select.addEventListener("change", () => { panel.m = Number(select.value); fill(panel); refresh(); });
  const large = $(".large canvas", root);
  large.addEventListener("pointermove", (event) => { panel.pointed = pointed(event, panel); drawLarge(panel); });
  large.addEventListener("pointerleave", () => { panel.pointed = null; drawLarge(panel); });
  $("#panels").append(root);
  panels.push(panel);
  fill(panel);
}

function fill(panel) {
  const model = index.models[panel.m], sheet = $(".sheet", panel.root);
  panel.preview = null;
  panel.small = canvasOf(model.columns, model.rows);
  sheet.replaceChildren();
  sheet.style.setProperty("--heads", model.heads.length);
  sheet.style.setProperty("--shape", model.columns / model.rows);
  sheet.style.setProperty("--layers", model.layers.length);
  $(".about", panel.root).textContent = model.about;
  const cell = (className, text) => {
    const box = document.createElement("span");
    box.className = className;
    box.textContent = text;
    sheet.append(box);
  };
  const tile = (className, title, click) => {
    const canvas = canvasOf(model.columns, model.rows);
    canvas.className = className;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", title);
    canvas.addEventListener("click", click);
    sheet.append(canvas);
    return canvas;
  };
  cell("corner", "");
  for (const head of model.heads) cell("top", head);
  cell("", "");
  cell("top", "mean");
  cell("top", "PCA");
  cell("top near", "sim.");
  panel.tiles = model.layers.map((number, layer) => {
    cell("side", number);
    const choose = (head) => () => { select(model, layer, head); };
    const heads = model.heads.map((name, head) => tile("tile", `layer ${number}, head ${name}`, choose(head)));
    cell("", "");
    const mean = tile("tile", `layer ${number}, mean over heads`, choose(-1));
    [mean, ...heads].forEach((canvas, place) => {
      canvas.addEventListener("pointerenter", () => { panel.preview = [layer, place - 1]; drawStage(panel); });
      canvas.addEventListener("pointerleave", () => { panel.preview = null; drawStage(panel); });
    });
    const here = () => { select(model, layer, state.head); };
    const pca = tile("tile", `layer ${number}, principal components`, here);
    const near = tile("tile near", `layer ${number}, similarity to the patch`, here);
    return { maps: [mean, ...heads], pca, near };
  });
}

function select(model, layer, head) {
  state.depth = model.layers.length > 1 ? layer / (model.layers.length - 1) : 1;
  state.head = head;
  redraw();
}

/* ---- Drawing ---- */
async function refresh() {
  await Promise.all(panels.map(async (panel) => { panel.view = await view(panel.m, state.image); }));
  const { model } = panels[0].view;
  if (tokenOf(model, state.query) === null) state.query = pointOf(model, 0);
  queryButtons(model);
  await redraw();
  panels.forEach((panel) => panel.tiles.forEach((row, layer) => paintColours(row.pca, pcaOf(panel.view, layer))));
}

const pcaOf = (v, layer) => v.pca.subarray(3 * v.patches * layer, 3 * v.patches * (layer + 1));

let turn = 0, drawing = null;
function redraw() {
  drawing = drawTurn(++turn);
  return drawing;
}

async function drawTurn(mine) {
  const near = await Promise.all(panels.map(({ m, view: v }) => {
    const token = tokenOf(v.model, query());
    return token >= v.prefix && token !== null ? similarityMaps(m, state.image, state.image, token - v.prefix) : null;
  }));
  if (mine !== turn) return; // the pointer has moved on
  panels.forEach((panel, k) => {
    panel.token = tokenOf(panel.view.model, query());
    panel.maps = panel.token === null ? null : attentionMaps(panel.view, panel.token);
    panel.near = near[k];
  });
  setRanges();
  panels.forEach(drawSheet);
  panels.forEach(drawStage);
  drawControls();
  otherImages();
}

/* The scale of every map: its own, one for all maps that are shown, or multiples of uniform attention. */
function setRanges() {
  const ranges = panels.map(({ maps }) => maps && maps.map((row) => row.map((map) => [0, range(map)[1]])));
  const most = Math.max(...ranges.flat(3).filter((value) => value !== null), 0);
  panels.forEach((panel, k) => {
    const { view: v, near } = panel;
    if (state.scale === "own") panel.ranges = ranges[k];
    else panel.ranges = ranges[k] && ranges[k].map((row) => row.map(() => [0, state.scale === "shared" ? most : UNIFORM / v.tokens]));
    if (!near) return;
    const own = near.map(range);
    const shared = [Math.min(...own.map(([low]) => low)), Math.max(...own.map(([, high]) => high))];
    panel.nearRanges = own.map((each) => ({ own: each, shared, uniform: [0, 1] })[state.scale]);
  });
}

function scaleWords() {
  if (state.scale === "own") return "0 to the maximum of each map";
  const high = panels.find((panel) => panel.ranges)?.ranges[0][0][1] ?? 0;
  return state.scale === "shared" ? `0 to ${shown(high)}, the largest of all` : `0 to ${UNIFORM} \u00d7 uniform attention`;
}

function drawSheet(panel) {
  panel.root.classList.toggle("absent", !panel.maps);
  panel.root.classList.toggle("pointless", !panel.near);
  if (!panel.maps) return;
  panel.tiles.forEach((row, layer) => {
    row.maps.forEach((canvas, place) => paint(canvas, panel.maps[layer][place], panel.ranges[layer][place], HEAT));
    if (panel.near) paint(row.near, panel.near[layer], panel.nearRanges[layer], NEAR);
  });
}

function drawStage(panel) {
  const { model } = panel.view, layer = layerOf(model), head = headOf(model);
  panel.tiles.forEach((row, k) => {
    row.maps.forEach((canvas, place) => canvas.classList.toggle("chosen", k === layer && place === head + 1));
    [row.pca, row.near].forEach((canvas) => canvas.classList.toggle("chosen", k === layer));
  });
  drawLarge(panel);
  drawSmall(panel);
}

function drawLarge(panel) {
  const { view: v, token } = panel, { model } = v;
  const [layer, head] = panel.preview || [layerOf(model), headOf(model)];
  const figure = $(".large", panel.root), [name, text, here] = $("figcaption", figure).children;
  if (token === null) {
    overlay($("canvas", figure), v, panel.small, ["lighter", 0]);
    name.textContent = `${model.label} has no such token`;
    text.textContent = here.textContent = "";
    return;
  }
  const found = facts(v, layer, head, token);
  paint(panel.small, found.map, panel.ranges[layer][head + 1], HEAT);
  const place = overlay($("canvas", figure), v, panel.small, ["lighter", 0.9]);
  if (token >= v.prefix) frame(place, v, token - v.prefix);
  if (found.offset) arrow(place, v, token - v.prefix, found.offset);
  if (panel.pointed != null) frame(place, v, panel.pointed, "#fff");
  name.textContent = `Layer ${model.layers[layer]}, ${head < 0 ? "mean over heads" : `head ${model.heads[head]}`}`;
  text.textContent = describe(v, found);
  const at = panel.pointed ?? found.best;
  here.textContent = `${panel.pointed == null ? "Maximum" : "Here"}: ${shown(found.map[at])} at ${spot(model, at)}, ${times(found.map[at] * v.tokens)} uniform`;
}

function describe(v, { onPatches, onClass, onRegisters, offset: move }) {
  const parts = [`${percent(onPatches)} on patches`];
  if (v.model.classToken) parts.push(`${percent(onClass)} on the class token`);
  if (v.model.registers) parts.push(`${percent(onRegisters)} on registers`);
  const shares = parts.join(", ") + ". ";
  if (!move) return shares;
  const way = (value, plus, minus) => `${Math.abs(value).toFixed(1)} ${value < 0 ? minus : plus}`;
  return `${shares}Offset ${way(move.right, "right", "left")}, ${way(move.down, "down", "up")}; distance ${move.distance.toFixed(1)} patches. `;
}

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
const shown = (value) => value.toPrecision(2);
const times = (value) => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} \u00d7`;
const spot = (model, patch) => `${Math.floor(patch / model.columns) + 1}:${patch % model.columns + 1}`;

function drawSmall(panel) {
  const { view: v, near } = panel, layer = (panel.preview || [layerOf(v.model)])[0];
  const [pca, similar] = [".pca", ".similarity"].map((name) => $(name, panel.root));
  paintColours(panel.small, pcaOf(v, layer));
  overlay($("canvas", pca), v, panel.small, ["source-over", 1]);
  similar.hidden = !near;
  if (!near) return;
  paint(panel.small, near[layer], panel.nearRanges[layer], NEAR);
  frame(overlay($("canvas", similar), v, panel.small, ["source-over", 0.8]), v, panel.token - v.prefix);
  const [low, high] = panel.nearRanges[layer];
  $("figcaption", similar).textContent = `Similarity to the patch, ${low.toFixed(2)} to ${high.toFixed(2)}`;
}

function drawControls() {
  const { view: v } = panels[0], { model } = v, layer = layerOf(model);
  const place = fit($("#image"), v);
  place.context.imageSmoothingQuality = "high";
  place.context.drawImage(v.picture, 0, 0, place.width, place.height);
  const token = tokenOf(model, query());
  if (token >= v.prefix) frame(place, v, token - v.prefix);
  $("#query").textContent = words(query(), model);
  $("#name").textContent = index.images[state.image];
  $("#layer").max = model.layers.length - 1;
  $("#layer").value = layer;
  $("#layer-number").textContent = model.layers[layer];
  $("#bar-text").textContent = scaleWords();
  $("#mean").setAttribute("aria-pressed", state.head < 0);
  for (const button of $("#scales").querySelectorAll("button")) button.setAttribute("aria-pressed", button.value === state.scale);
  for (const button of $("#queries").children) button.setAttribute("aria-pressed", !state.hovered && button.textContent === words(state.query, model));
}

/* The other images: those to choose from, and where the patch finds its like in them. */
async function otherImages() {
  if (index.images.length < 2) return;
  const { view: v, m, token } = panels[0], layer = layerOf(v.model), mine = turn;
  const asked = token !== null && token >= v.prefix;
  const found = await Promise.all(index.images.map(async (_, j) => [await picturesOf(m, j), asked ? await similarityMaps(m, state.image, j, token - v.prefix) : null]));
  if (mine !== turn) return;
  $("#others-title").textContent = asked ? `Most similar patch in each image, layer ${v.model.layers[layer]}` : "Images";
  found.forEach(([pictures, near], j) => {
    const other = { model: v.model, ...pictures };
    const button = $("#thumbnails").children[j], canvas = $("canvas", button);
    button.setAttribute("aria-pressed", j === state.image);
    const place = fit(canvas, other);
    place.context.drawImage(other.picture, 0, 0, place.width, place.height);
    if (!near) return;
    const small = canvasOf(other.model.columns, other.model.rows), map = near[layer];
    paint(small, map, range(map), NEAR);
    place.context.globalAlpha = 0.55;
    place.context.imageSmoothingEnabled = false;
    place.context.drawImage(small, 0, 0, place.width, place.height);
    place.context.globalAlpha = 1;
    let best = j === state.image ? token - v.prefix : 0;
    if (j !== state.image) map.forEach((value, k) => { if (value > map[best]) best = k; });
    frame(place, other, best, j === state.image ? INK : "#fff");
    button.title = `${index.images[j]}: ${map[best].toFixed(2)}`;
  });
}

/* ---- Events ---- */
function pointed(event, panel) {
  const box = event.currentTarget.getBoundingClientRect();
  return patchAt(panel.view.model, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}

function follow() {
  const image = $("#image");
  image.addEventListener("pointermove", (event) => {
    const point = pointOf(panels[0].view.model, pointed(event, panels[0]));
    hover(point);
    if (event.buttons) state.query = point; // dragged, with a finger too
  });
  image.addEventListener("pointerleave", () => hover(null));
  image.addEventListener("pointerdown", (event) => {
    state.query = pointOf(panels[0].view.model, pointed(event, panels[0]));
    state.hovered = null;
    redraw();
  });
}

function hover(point) {
  const before = query();
  state.hovered = point;
  const after = query();
  if (before.kind !== after.kind || before.x !== after.x || before.y !== after.y) redraw();
}

function queryButtons(model) {
  const choices = [{ kind: "all" }];
  for (let number = model.registers; number-- > 0;) choices.unshift({ kind: "register", number });
  if (model.classToken) choices.unshift({ kind: "cls" });
  $("#queries").replaceChildren(...choices.map((choice) => {
    const button = document.createElement("button");
    button.textContent = words(choice, model);
    button.addEventListener("click", () => { state.query = choice; redraw(); });
    return button;
  }));
}

function controls() {
  $("#layer").addEventListener("input", (event) => {
    const { model } = panels[0].view;
    select(model, Number(event.target.value), state.head);
  });
  $("#mean").addEventListener("click", toggleMean);
  $("#play").addEventListener("click", play);
  for (const button of $("#scales").querySelectorAll("button")) button.addEventListener("click", () => { state.scale = button.value; redraw(); });
  index.images.forEach((name, j) => {
    const button = document.createElement("button");
    button.append(canvasOf(64, 64));
    button.title = name;
    button.setAttribute("aria-label", name);
    button.addEventListener("click", () => { state.image = j; refresh(); });
    $("#thumbnails").append(button);
  });
  $("#others").hidden = index.images.length < 2;
  paint($("#bar"), Array.from({ length: 256 }, (_, k) => k), [0, 255], HEAT);
}

let lastHead = 0;
function toggleMean() {
  if (state.head >= 0) lastHead = state.head;
  state.head = state.head < 0 ? lastHead : -1;
  redraw();
}

let timer = 0;
function play() {
  clearInterval(timer);
  timer = timer ? 0 : setInterval(() => step(1, true), 450);
  $("#play").textContent = timer ? "\u275a\u275a" : "\u25b6";
}

function step(layers, around = false) {
  const { model } = panels[0].view, last = model.layers.length - 1, next = layerOf(model) + layers;
  select(model, around && next > last ? 0 : Math.max(0, Math.min(last, next)), state.head);
}

function turnHead(heads) {
  const most = Math.max(...panels.map(({ view: v }) => v.model.heads.length)) - 1;
  state.head = Math.max(-1, Math.min(most, state.head + heads));
  redraw();
}

function movePatch(right, down) {
  const { model } = panels[0].view;
  const start = state.query.kind === "patch" ? state.query : { x: 0.5, y: 0.5 };
  const inside = (value) => Math.max(0, Math.min(0.999, value));
  state.query = pointOf(model, patchAt(model, inside(start.x + right / model.columns), inside(start.y + down / model.rows)));
  state.hovered = null;
  redraw();
}

const WAYS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
function keys(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("select, input")) return;
  const way = WAYS[event.key];
  if (way && event.shiftKey) movePatch(...way);
  else if (way && way[1]) step(way[1]);
  else if (way) turnHead(way[0]);
  else if (event.key === "m") toggleMean();
  else if (event.key === " " && !event.target.matches("button")) play();
  else return;
  event.preventDefault();
}

function notes() {
  const tokens = new Set(index.models.map((model) => Number(model.classToken) + model.registers + model.rows * model.columns));
  $("#notes").textContent = "Attention is the softmax output of the layer, not renormalised; it is stored in 8 bits, in steps of 1/255 of the largest value of its "
    + `row. Uniform attention is one divided by the number of tokens, 1/${[...tokens].join(" or 1/")}. The offset is the mean displacement from the patch, weighted by `
    + "attention. PCA: the first three principal components of the patches of all images, layer by layer, as red, green and blue. Similarity: the cosine of patches.";
}

function begin() {
  index.models.slice(0, 2).forEach((_, m) => addPanel(m));
  $("#panels").dataset.count = panels.length;
  controls();
  follow();
  notes();
  document.addEventListener("keydown", keys);
  new ResizeObserver(() => { if (panels.every((panel) => panel.maps !== undefined)) redraw(); }).observe($("#panels"));
  return refresh();
}
begin().then(() => { document.documentElement.dataset.ready = "yes"; });
