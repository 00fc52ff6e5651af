// @ts-check
// The topology: workloads in columns by their distance from the first caller, traffic as curves between them.

const SVG = "http://www.w3.org/2000/svg";
const BOX = { width: 150, height: 44, gapX: 210, gapY: 22, margin: 12 };

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

/** @param {any[]} edges */
function columns(edges) {
  const depth = new Map();
  for (const edge of edges) depth.set(edge.source, 0).set(edge.destination, depth.get(edge.destination) ?? 0);
  // Relax as often as there are workloads: calls in a circle then keep what they have.
  for (let round = 0; round < depth.size; round++)
    for (const edge of edges)
      if (edge.source !== edge.destination && depth.get(edge.destination) <= depth.get(edge.source) && depth.get(edge.source) + 1 < depth.size)
        depth.set(edge.destination, depth.get(edge.source) + 1);
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
  const namespaceOf = new Map();
  const versionOf = new Map();
  for (const edge of edges) {
    namespaceOf.set(edge.source, edge.sourceNamespace).set(edge.destination, edge.destinationNamespace);
    versionOf.set(edge.destination, edge.version);
  }

  const rows = [];
  const place = new Map();
  for (const name of [...depth.keys()].sort()) {
    const column = depth.get(name);
    rows[column] = (rows[column] ?? 0) + 1;
    place.set(name, { x: BOX.margin + column * (BOX.width + BOX.gapX), row: rows[column] - 1, column });
  }
  const tallest = Math.max(1, ...rows.filter(Boolean));
  const height = tallest * (BOX.height + BOX.gapY) + 2 * BOX.margin;
  for (const at of place.values())
    at.y = BOX.margin + (at.row + (tallest - rows[at.column]) / 2) * (BOX.height + BOX.gapY);

  const width = BOX.margin * 2 + BOX.width + (rows.length - 1) * (BOX.width + BOX.gapX);
  canvas.setAttribute("viewBox", `0 0 ${Math.max(width, 400)} ${Math.max(height, 120)}`);
  canvas.replaceChildren(
    ...edges.map(edge => drawEdge(edge, place, choose)),
    ...[...place].map(([name, at]) => drawNode(name, at, namespaceOf.get(name), versionOf.get(name))));
  if (focused) /** @type {SVGElement | null} */ (canvas.querySelector(`[data-edge="${CSS.escape(focused)}"]`))?.focus();
}

/** @param {any} edge */
export function edgeKey(edge) { return `${edge.source}>${edge.service}>${edge.destination}`; }

/** @param {any} edge */
export function edgeWords(edge) {
  const split = edge.share === null ? "" : `, ${percent(edge.share)} of the calls${edge.wantedShare === null ? "" : `, ${percent(edge.wantedShare)} wanted`}`;
  return `${edge.source} calls ${edge.destination}: ${edge.rps.toFixed(1)} requests a second, ${edge.success === null ? "none" : percent(edge.success)} successful, ${edge.mtls ? "mutual TLS" : "NOT encrypted"}${split}`;
}

/** @param {number} share */
export function percent(share) { return `${(100 * share).toFixed(share > 0 && share < 1 ? 1 : 0)}%`; }

/** @param {any} edge @param {Map<string, any>} place @param {(edge: any) => void} choose */
function drawEdge(edge, place, choose) {
  const [from, to] = [place.get(edge.source), place.get(edge.destination)];
  const [x1, y1, x2, y2] = [from.x + BOX.width, from.y + BOX.height / 2, to.x, to.y + BOX.height / 2];
  const bend = Math.max(40, (x2 - x1) / 2);
  const group = svg("g", { class: `edge ${health(edge)}`, tabindex: 0, role: "button", "aria-label": edgeWords(edge), "data-edge": edgeKey(edge) });
  group.append(svg("path", { d: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` }));
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  group.append(svg("text", { x, y: y - 7, "text-anchor": "middle" }, `${edge.mtls ? "🔒" : "⚠ plain"} ${edge.rps.toFixed(1)}/s  ${edge.success === null ? "" : percent(edge.success)}`));
  if (edge.share !== null && (edge.wantedShare !== null || edge.share < 1))
    group.append(svg("text", { x, y: y + 16, "text-anchor": "middle", class: "soft" }, percent(edge.share) + (edge.wantedShare === null ? "" : ` (wanted ${percent(edge.wantedShare)})`)));
  group.addEventListener("click", () => choose(edge));
  group.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(edge);
  });
  return group;
}

/** @param {string} name @param {any} at @param {string} namespace @param {string | undefined} version */
function drawNode(name, at, namespace, version) {
  const group = svg("g", { class: "node" });
  group.append(svg("rect", { x: at.x, y: at.y, width: BOX.width, height: BOX.height, rx: 7 }));
  group.append(svg("text", { x: at.x + BOX.width / 2, y: at.y + 19, "text-anchor": "middle" }, name));
  group.append(svg("text", { x: at.x + BOX.width / 2, y: at.y + 35, "text-anchor": "middle", class: "soft" }, version ? `${namespace} · ${version}` : namespace));
  return group;
}
