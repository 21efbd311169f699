/* One panel per model. */
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
