/* Averaged maps of heads, a strip for each model: layers to the right, heads downwards. */
function maps(holder, data) {
  holder.append(html("p", "legend soft", `From 0 (black) to ${short(data.top)} (yellow), one scale for all maps; the colour is the square root of attention. Above: the layer; below each map: the head and its type.`));
  for (const [title, tiles] of data.strips) {
    const strip = html("div", "strip"), layers = [...new Set(tiles.map((tile) => tile.layer))];
    for (const layer of layers) {
      const column = html("div", "", html("b", "", String(layer)), ...tiles.filter((tile) => tile.layer === layer).map(headMap));
      strip.append(column);
    }
    const wide = html("div", "wide", strip);
    wide.tabIndex = 0;
    holder.append(html("div", "strips", html("p", "head", title.replace("\n", ", ")), wide));
  }
}

function headMap(tile) {
  const steps = Uint8Array.from(atob(tile.steps), (letter) => letter.charCodeAt(0));
  const columns = tile.columns, rows = steps.length / columns, side = 8, canvas = html("canvas");
  canvas.width = columns * side;
  canvas.height = rows * side;
  const context = canvas.getContext("2d");
  steps.forEach((step, k) => {
    context.fillStyle = inferno(step / 255);
    context.fillRect(k % columns * side, Math.floor(k / columns) * side, side, side);
  });
  if (tile.centred) centre(context, columns * side / 2, rows * side / 2, tile.offset && tile.offset.map((patches) => patches * side));
  const far = tile.offset ? ` ${Math.hypot(...tile.offset).toFixed(1)}` : "", place = `[${tile.layer}, ${tile.head}]`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${place} ${tile.type}`);
  canvas.addEventListener("pointermove", (event) => show(event, `${place} ${tile.type}${far}\nlargest ${short(tile.most)}`));
  canvas.addEventListener("pointerleave", () => (tip.hidden = true));
  return html("div", "", canvas, html("span", "soft", `${tile.head} ${tile.type}${far}`));
}

/* Marks at the edges for the row and column of the query, and an arrow to where an offset head looks. */
function centre(context, x, y, offset) {
  const { width, height } = context.canvas;
  context.strokeStyle = "rgba(255, 255, 255, 0.8)";
  context.beginPath();
  for (const [from, to] of [[0, 0.2], [0.8, 1]]) {
    context.moveTo(from * width, y);
    context.lineTo(to * width, y);
    context.moveTo(x, from * height);
    context.lineTo(x, to * height);
  }
  context.stroke();
  if (!offset) return;
  const [right, down] = offset, length = Math.hypot(right, down) || 1, [ux, uy] = [right / length, down / length];
  context.strokeStyle = "#00e5ff";
  context.lineWidth = 2.5;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + right, y + down);
  for (const turn of [1, -1]) {
    context.moveTo(x + right, y + down);
    context.lineTo(x + right - 7 * ux - turn * 4 * uy, y + down - 7 * uy + turn * 4 * ux);
  }
  context.stroke();
}
