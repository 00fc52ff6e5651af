// @ts-check
// The topology: workloads in columns by their distance from the first caller, traffic as curves between them.

const SVG = "http://www.w3.org/2000/svg";
const BOX = { width: 150, height: 48, gapX: 230, gapY: 56, margin: 16, apart: 30 };

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
export function svg(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

/** How worrying an edge is; the line's shape says it as well as its colour. @param {any} edge */
export function health(edge) {
  if (edge.success === null || edge.success >= 0.999) return "good";
  return edge.success >= 0.95 ? "warn" : "bad";
}

/** Where an edge leads in the picture: requests that reached nobody end at a place of their own. @param {any} edge */
function endOf(edge) { return edge.reached === false ? `${edge.service}: not reached` : edge.destination; }

/** The column of each workload: one more than that of whoever calls it, calls in a circle left aside. @param {any[]} edges */
function columns(edges) {
  /** @type {Map<string, Set<string>>} */
  const next = new Map();
  for (const edge of edges) {
    if (!next.has(edge.source)) next.set(edge.source, new Set());
    if (!next.has(endOf(edge))) next.set(endOf(edge), new Set());
    if (edge.source !== endOf(edge)) next.get(edge.source)?.add(endOf(edge));
  }
  const called = new Set([...next.values()].flatMap(ends => [...ends]));
  const order = [];
  const state = new Map();
  const visit = (/** @type {string} */ name) => {
    state.set(name, "open");
    for (const end of next.get(name) ?? []) {
      if (state.get(end) === "open") next.get(name)?.delete(end);
      else if (!state.has(end)) visit(end);
    }
    state.set(name, "done");
    order.unshift(name);
  };
  const names = [...next.keys()].sort();
  for (const name of [...names.filter(n => !called.has(n)), ...names]) if (!state.has(name)) visit(name);
  const depth = new Map(order.map(name => [name, 0]));
  for (const name of order) for (const end of next.get(name) ?? []) depth.set(end, Math.max(depth.get(end), depth.get(name) + 1));
  return depth;
}

/**
 * @param {SVGSVGElement} canvas
 * @param {any[]} edges of /api/edges
 * @param {(edge: any) => void} choose called when an edge is clicked or chosen by keyboard
 */
export function drawGraph(canvas, edges, choose) {
  const focused = document.activeElement?.getAttribute("data-edge");
  const depth = columns(edges);
  const wordsOf = new Map();
  for (const edge of edges) if (!wordsOf.has(edge.source)) wordsOf.set(edge.source, edge.sourceNamespace);
  for (const edge of edges) wordsOf.set(endOf(edge), edge.reached === false ? "no endpoint took it" : `${edge.destinationNamespace} · ${edge.version}`);

  const rows = [];
  const place = new Map();
  for (const name of [...depth.keys()].sort()) {
    const column = depth.get(name);
    rows[column] = (rows[column] ?? 0) + 1;
    place.set(name, { x: BOX.margin + column * (BOX.width + BOX.gapX), row: rows[column] - 1, column });
  }
  const tallest = Math.max(1, ...rows.filter(Boolean));
  for (const at of place.values())
    at.y = BOX.margin + (at.row + (tallest - rows[at.column]) / 2) * (BOX.height + BOX.gapY);

  const width = Math.max(400, BOX.margin * 2 + BOX.width + (rows.length - 1) * (BOX.width + BOX.gapX));
  const height = Math.max(120, tallest * (BOX.height + BOX.gapY) - BOX.gapY + 2 * BOX.margin);
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) canvas.setAttribute(name, String(value));
  canvas.replaceChildren(
    ...edges.map(edge => drawEdge(edge, edges, place, choose)),
    ...[...place].map(([name, at]) => drawNode(name, at, wordsOf.get(name))));
  if (focused) /** @type {SVGElement | null} */ (canvas.querySelector(`[data-edge="${CSS.escape(focused)}"]`))?.focus();
}

/** @param {any} edge */
export function edgeKey(edge) { return `${edge.source}>${edge.service}>${edge.destination}`; }

/** @param {any} edge */
export function edgeWords(edge) {
  const split = edge.share === null ? "" : `, ${percent(edge.share)} of the calls${edge.wantedShare === null ? "" : `, ${percent(edge.wantedShare)} wanted`}`;
  if (edge.reached === false) return `${edge.source} calls ${edge.service}: ${edge.rps.toFixed(1)} requests a second ended before an endpoint was reached`;
  const traffic = isTcp(edge) ? "TCP connections" : `${edge.rps.toFixed(1)} requests a second, ${edge.success === null ? "none" : percent(edge.success)} successful`;
  return `${edge.source} calls ${edge.destination}: ${traffic}, ${edge.mtls ? "mutual TLS" : "NOT encrypted"}${split}`;
}

/** @param {any} edge */
function isTcp(edge) { return edge.protocol === "tcp"; }

/** @param {number} share */
export function percent(share) { return `${(100 * share).toFixed(share > 0 && share < 1 ? 1 : 0)}%`; }

/** @param {any} edge @param {any[]} all @param {Map<string, any>} place @param {(edge: any) => void} choose */
function drawEdge(edge, all, place, choose) {
  const end = endOf(edge);
  const beside = all.filter(e => e.source === edge.source && endOf(e) === end);
  const shift = (beside.indexOf(edge) - (beside.length - 1) / 2) * BOX.apart;
  const [from, to] = [place.get(edge.source), place.get(end)];
  const [x1, y1, x2, y2] = [from.x + BOX.width, from.y + BOX.height / 2 + shift / 2, to.x, to.y + BOX.height / 2 + shift / 2];
  const bend = Math.max(60, Math.abs(x2 - x1) / 2);
  const group = svg("g", { class: `edge ${edge.reached === false ? "bad" : health(edge)}`, tabindex: 0, role: "button", "aria-label": edgeWords(edge), "data-edge": edgeKey(edge) });
  group.append(svg("path", { class: "line", d: `M${x1} ${y1} C${x1 + bend} ${y1 + shift} ${x2 - bend} ${y2 + shift} ${x2} ${y2}` }));

  // Words stand where lines are apart: near the end where they fan out, near the beginning where they come together.
  const outs = new Set(all.filter(e => e.source === edge.source).map(endOf)).size;
  const ins = new Set(all.filter(e => endOf(e) === end).map(e => e.source)).size;
  const t = outs > ins ? 0.66 : ins > outs ? 0.34 : 0.5;
  const at = (/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ c, /** @type {number} */ d) =>
    (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t ** 2 * c + t ** 3 * d;
  const [x, y] = [at(x1, x1 + bend, x2 - bend, x2), at(y1, y1 + shift, y2 + shift, y2)];
  const words = isTcp(edge) ? "TCP" : `${edge.rps.toFixed(1)}/s  ${edge.success === null ? "" : percent(edge.success)}`;
  const label = edge.reached === false || edge.mtls ? words : `plain text  ${words}`;
  if (edge.reached !== false) group.append(drawLock(x - label.length * 3.3 - 10, y - 17, edge.mtls));
  group.append(svg("text", { x, y: y - 7, "text-anchor": "middle", class: edge.mtls || edge.reached === false ? "" : "bad" }, label));
  if (edge.share !== null && (edge.wantedShare !== null || edge.share < 1))
    group.append(svg("text", { x, y: y + 17, "text-anchor": "middle", class: "soft" }, percent(edge.share) + (edge.wantedShare === null ? "" : ` (wanted ${percent(edge.wantedShare)})`)));
  group.addEventListener("click", () => choose(edge));
  group.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(edge);
  });
  return group;
}

/** A padlock, shut or open: drawn, since not every machine has a font with one. @param {number} x @param {number} y @param {boolean} isShut */
function drawLock(x, y, isShut) {
  const group = svg("g", { class: isShut ? "lock" : "lock open", transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });
  group.append(svg("path", { d: isShut ? "M2 5V3.4a2.6 2.6 0 0 1 5.2 0V5" : "M2 5V3.4a2.6 2.6 0 0 1 5-1" }), svg("rect", { x: 0.6, y: 5, width: 8, height: 6, rx: 1.2 }));
  return group;
}

/** @param {string} name @param {any} at @param {string} words */
function drawNode(name, at, words) {
  const group = svg("g", { class: "node" });
  group.append(svg("rect", { x: at.x, y: at.y, width: BOX.width, height: BOX.height, rx: 7 }));
  group.append(svg("text", { x: at.x + BOX.width / 2, y: at.y + 21, "text-anchor": "middle" }, name.length > 22 ? `${name.slice(0, 21)}…` : name));
  group.append(svg("text", { x: at.x + BOX.width / 2, y: at.y + 38, "text-anchor": "middle", class: "soft" }, words));
  group.append(svg("title", {}, name));
  return group;
}
