/* Events of the pointer, the controls and the keyboard. */
function pointed(event, panel) {
  const box = event.currentTarget.getBoundingClientRect();
  return patchAt(panel.view.model, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}

function follow() {
  const image = $("#image");
  image.addEventListener("pointermove", (event) => {
    const point = pointOf(panels[0].view.model, pointed(event, panels[0]));
    hover(point);
    if (event.buttons) state.query = point; // dragged, also with a finger
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
