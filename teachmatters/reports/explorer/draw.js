/* Draw maps as squares of colour, one per patch. */
const [HEAT, NEAR] = index.colours.map((table) => Uint32Array.from(table, (c) => 0xff000000 | (c & 0xff) << 16 | c & 0xff00 | c >> 16));
const INK = "#00e5ff"; // the query, legible on every colour of the maps

/* Put a map on a canvas with one pixel per patch, in colours from low to high. */
function paint(canvas, map, [low, high], table) {
  const context = canvas.getContext("2d");
  const data = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(data.data.buffer), factor = high > low ? 255 / (high - low) : 0;
  for (let k = 0; k < pixels.length; k++) pixels[k] = table[Math.max(0, Math.min(255, (map[k] - low) * factor + 0.5 | 0))];
  context.putImageData(data, 0, 0);
}

function paintColours(canvas, colours) {
  const context = canvas.getContext("2d");
  const data = context.createImageData(canvas.width, canvas.height);
  for (let k = 0; k < canvas.width * canvas.height; k++) data.data.set([colours[3 * k], colours[3 * k + 1], colours[3 * k + 2], 255], 4 * k);
  context.putImageData(data, 0, 0);
}

/* Fit a canvas to its place on the screen; drawing units are pixels of the page. */
function fit(canvas, v) {
  const width = canvas.clientWidth || 300, height = width * v.picture.height / v.picture.width, ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
  return { context, width, height, patch: [width / v.model.columns, height / v.model.rows] };
}

/* A small map, enlarged over the image in grey: it glows there ("lighter"), or covers it ("source-over"). */
function overlay(canvas, v, small, [mode, opacity]) {
  const place = fit(canvas, v), { context, width, height } = place;
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.globalAlpha = mode === "lighter" ? 0.5 : 1;
  context.drawImage(v.grey, 0, 0, width, height);
  context.globalAlpha = opacity;
  context.globalCompositeOperation = mode;
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, width, height);
  context.globalAlpha = 1;
  context.globalCompositeOperation = "source-over";
  return place;
}

function frame({ context, patch: [wide, high] }, v, k, colour = INK) {
  const x = k % v.model.columns * wide, y = Math.floor(k / v.model.columns) * high;
  context.lineWidth = 3.5;
  context.strokeStyle = "rgba(0, 0, 0, 0.75)";
  context.strokeRect(x, y, wide, high);
  context.lineWidth = 1.75;
  context.strokeStyle = colour;
  context.strokeRect(x, y, wide, high);
}

/* An arrow from the query to the mean position of its attention. */
function arrow({ context, patch: [wide, high] }, v, k, { right, down }) {
  const x = (k % v.model.columns + 0.5) * wide, y = (Math.floor(k / v.model.columns) + 0.5) * high;
  const dx = right * wide, dy = down * high, length = Math.hypot(dx, dy);
  if (length < 6) return;
  const [ux, uy] = [dx / length, dy / length], [tipX, tipY] = [x + dx, y + dy];
  const path = new Path2D();
  path.moveTo(x, y);
  path.lineTo(tipX, tipY);
  path.moveTo(tipX - 8 * ux - 4 * uy, tipY - 8 * uy + 4 * ux);
  path.lineTo(tipX, tipY);
  path.lineTo(tipX - 8 * ux + 4 * uy, tipY - 8 * uy - 4 * ux);
  context.lineJoin = context.lineCap = "round";
  for (const [line, colour] of [[5, "rgba(0, 0, 0, 0.75)"], [2.25, INK]]) {
    context.lineWidth = line;
    context.strokeStyle = colour;
    context.stroke(path);
  }
}

function range(map) {
  let low = Infinity, high = -Infinity;
  for (const value of map) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
