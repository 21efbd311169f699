/* The state of the page: the shown layer, head and images, and the query. */
const $ = (selector, root = document) => root.querySelector(selector);
const state = { image: 0, query: { kind: "patch", x: 0.5, y: 0.5 }, hovered: null, depth: 1, head: -1, scale: "uniform" };
const panels = [];

/* The query is kept as a point of the image, so that it also applies to models with other grids. */
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
