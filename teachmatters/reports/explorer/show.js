/* Draws the state: small maps, the large map, the controls and the other images. */
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

/* The scale of every map: its own, one for all shown maps, or multiples of uniform attention. */
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

/* The other images to choose from, with the patch most similar to the query in each. */
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
