"use strict";
/* The arrays of the document: compressed bytes in base64, read when they are first needed. */
const index = JSON.parse(document.getElementById("index").textContent);
const UNIFORM = index.uniform; // the upper end of the scale "uniform", in multiples of uniform attention
const ALL = -1; // the query "all patches": the mean over them

const loaded = new Map();
function once(key, make) {
  if (!loaded.has(key)) loaded.set(key, make());
  return loaded.get(key);
}

async function bytes(id) {
  const text = atob(document.getElementById(id).textContent);
  const packed = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) packed[k] = text.charCodeAt(k);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/* One image in one model. */
function view(m, i) {
  return once(`view ${m} ${i}`, async () => {
    const model = index.models[m];
    const patches = model.rows * model.columns;
    const prefix = Number(model.classToken) + model.registers;
    const rows = model.layers.length * model.heads.length * (prefix + patches);
    const [attention, pca, pictures] = await Promise.all([bytes(`attention-${m}-${i}`), bytes(`pca-${m}-${i}`), picturesOf(m, i)]);
    return { m, i, model, patches, prefix, tokens: prefix + patches, pca, ...pictures,
      largest: new Float32Array(attention.buffer, 0, rows), steps: attention.subarray(4 * rows) };
  });
}

/* The image in colour and in grey. */
function picturesOf(m, i) {
  return once(`pictures ${m} ${i}`, async () => {
    const image = new Image();
    image.src = index.models[m].pictures[i];
    await image.decode();
    const picture = canvasOf(image.width, image.height), grey = canvasOf(image.width, image.height);
    const context = picture.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, image.width, image.height), { data } = pixels;
    for (let k = 0; k < data.length; k += 4) {
      data[k] = data[k + 1] = data[k + 2] = 0.299 * data[k] + 0.587 * data[k + 1] + 0.114 * data[k + 2];
    }
    grey.getContext("2d").putImageData(pixels, 0, 0);
    return { picture, grey };
  });
}

function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/* The attention that a query gives to every token, in one layer and head (places from 0; head -1: mean over heads). */
function attentionRow(v, layer, head, query) {
  const { model, tokens, prefix } = v, total = new Float32Array(tokens);
  const heads = head < 0 ? model.heads.map((_, k) => k) : [head];
  const queries = query === ALL ? Array.from({ length: v.patches }, (_, k) => prefix + k) : [query];
  const share = 1 / (255 * heads.length * queries.length);
  for (const h of heads) {
    for (const q of queries) {
      const row = (layer * model.heads.length + h) * tokens + q, unit = v.largest[row] * share;
      const start = row * tokens;
      for (let k = 0; k < tokens; k++) total[k] += v.steps[start + k] * unit;
    }
  }
  return total;
}

/* The maps of a query over the patches: [layer][0: mean over heads, 1..: heads]. */
function attentionMaps(v, query) {
  return v.model.layers.map((_, layer) => {
    const heads = v.model.heads.map((_, head) => attentionRow(v, layer, head, query).subarray(v.prefix));
    const mean = new Float32Array(v.patches);
    for (const map of heads) for (let k = 0; k < mean.length; k++) mean[k] += map[k] / heads.length;
    return [mean, ...heads];
  });
}

/* The cosine of a patch of image i with all patches of image j, layer by layer. */
async function similarityMaps(m, i, j, patch) {
  const id = `similarity-${m}-${Math.min(i, j)}-${Math.max(i, j)}`;
  const all = await once(id, () => bytes(id));
  const model = index.models[m], count = model.rows * model.columns;
  return model.ranges[id].map(([low, high], layer) => {
    const start = layer * count * count;
    return Float32Array.from({ length: count }, (_, k) => {
      const step = i <= j ? all[start + patch * count + k] : all[start + k * count + patch];
      return low + step * (high - low) / 255;
    });
  });
}

/* A summary of attention: its shares, its largest value, and its mean displacement from the query in patches. */
function facts(v, layer, head, query) {
  const row = attentionRow(v, layer, head, query), map = row.subarray(v.prefix);
  const onPatches = map.reduce((sum, value) => sum + value, 0);
  const onClass = v.model.classToken ? row[0] : 0;
  let best = 0;
  for (let k = 1; k < map.length; k++) if (map[k] > map[best]) best = k;
  const onRegisters = row.subarray(Number(v.model.classToken), v.prefix).reduce((sum, value) => sum + value, 0);
  return { map, best, onPatches, onClass, onRegisters, offset: offset(v, map, onPatches, query - v.prefix) };
}

function offset(v, map, mass, patch) {
  if (patch < 0 || !mass) return null;
  const { columns } = v.model, x = patch % columns, y = Math.floor(patch / columns);
  let right = 0, down = 0, distance = 0;
  for (let k = 0; k < map.length; k++) {
    const dx = k % columns - x, dy = Math.floor(k / columns) - y;
    right += map[k] * dx / mass;
    down += map[k] * dy / mass;
    distance += map[k] * Math.hypot(dx, dy) / mass;
  }
  return { right, down, distance };
}
