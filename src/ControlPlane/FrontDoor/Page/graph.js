// @ts-check
// The topology: workloads in ranks by their distance from the first caller, traffic as curves between them; ranks run to the right, in a narrow window downwards.
import { edgeKey, edgeWords, health, isTcp, percent, rate, splitWords } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const BOX = { width: 172, height: 52 };
const ACROSS = { rank: 236, beside: 46, margin: 18 };
const DOWN = { rank: 96, beside: 30, margin: 16 };
const NARROW = 640;

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
export function svg(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

/**
 * @param {SVGSVGElement} canvas
 * @param {any[]} edges of /api/edges
 * @param {string} chosen key of the edge that is looked at
 * @param {(edge: any) => void} choose called when an edge is clicked or chosen by keyboard
 */
export function drawGraph(canvas, edges, chosen, choose) {
  const focused = document.activeElement?.getAttribute("data-edge");
  const isDown = (canvas.parentElement?.clientWidth ?? NARROW) < NARROW;
  const { places, width, height } = layOut(edges, isDown);
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) canvas.setAttribute(name, String(value));
  // Somewhat too wide is drawn smaller; far too wide is scrolled.
  canvas.classList.toggle("fit", width < 1.5 * (canvas.parentElement?.clientWidth ?? width));
  const drawn = edges.map(edge => drawEdge(edge, edges, places, isDown, edgeKey(edge) === chosen, choose));
  canvas.replaceChildren(
    ...drawGroups([...places.values()]),
    ...drawn.map(edge => edge.line),
    ...[...places.values()].map(drawNode),
    ...drawn.map(edge => edge.group));
  if (focused) /** @type {SVGElement | null} */ (canvas.querySelector(`[data-edge="${CSS.escape(focused)}"]`))?.focus();
}

/** @typedef {{ name: string, app: string, words: string, isLost: boolean, x: number, y: number }} Place */

/** @param {any[]} edges @param {boolean} isDown */
function layOut(edges, isDown) {
  const depth = ranks(edges);
  /** @type {Map<string, Place>} */
  const places = new Map();
  for (const edge of edges) places.set(edge.source, { name: edge.source, app: edge.sourceApp, words: edge.sourceNamespace, isLost: false, x: 0, y: 0 });
  for (const edge of edges)
    places.set(endOf(edge), edge.reached === false
      ? { name: edge.service, app: "", words: "no endpoint took it", isLost: true, x: 0, y: 0 }
      : { name: edge.destination, app: edge.destinationApp, words: `${edge.destinationNamespace} · ${edge.version}`, isLost: false, x: 0, y: 0 });

  /** @type {string[][]} */
  const byRank = [];
  // Versions of one application stand beside each other, what nobody took behind all.
  const order = (/** @type {string} */ name) => `${places.get(name)?.isLost ? 1 : 0}/${places.get(name)?.app}/${name}`;
  for (const name of [...places.keys()].sort((a, b) => order(a) < order(b) ? -1 : 1)) (byRank[depth.get(name) ?? 0] ??= []).push(name);
  const gap = isDown ? DOWN : ACROSS;
  const [along, beside] = isDown ? [BOX.height + gap.rank, BOX.width + gap.beside] : [BOX.width + gap.rank, BOX.height + gap.beside];
  const most = Math.max(1, ...byRank.map(names => names.length));
  byRank.forEach((names, rank) => names.forEach((name, i) => {
    const place = /** @type {Place} */ (places.get(name));
    const [a, b] = [gap.margin + rank * along, gap.margin + (i + (most - names.length) / 2) * beside];
    [place.x, place.y] = isDown ? [b, a] : [a, b];
  }));
  const [length, breadth] = [Math.max(0, 2 * gap.margin + byRank.length * along - gap.rank), 2 * gap.margin + most * beside - gap.beside];
  return { places, width: isDown ? breadth : length, height: isDown ? length : breadth };
}

/** Where an edge leads in the picture: requests that reached nobody end at a place of their own. @param {any} edge */
function endOf(edge) { return edge.reached === false ? `${edge.service}: not reached` : edge.destination; }

/** The rank of each workload: one more than that of whoever calls it, calls in a circle left aside. @param {any[]} edges */
function ranks(edges) {
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

/** A frame around the versions of one application. @param {Place[]} places */
function drawGroups(places) {
  const apps = Map.groupBy(places.filter(place => place.app && place.app !== "unknown"), place => place.app);
  return [...apps.values()].filter(group => group.length > 1).map(group => {
    const [left, top] = [Math.min(...group.map(p => p.x)) - 12, Math.min(...group.map(p => p.y)) - 12];
    const [right, bottom] = [Math.max(...group.map(p => p.x)) + BOX.width + 12, Math.max(...group.map(p => p.y)) + BOX.height + 12];
    return svg("rect", { class: "app", x: left, y: top, width: right - left, height: bottom - top, rx: 12 });
  });
}

/** @param {any} edge @param {any[]} all @param {Map<string, Place>} places @param {boolean} isDown @param {boolean} isChosen @param {(edge: any) => void} choose */
function drawEdge(edge, all, places, isDown, isChosen, choose) {
  const end = endOf(edge);
  const [from, to] = [/** @type {Place} */ (places.get(edge.source)), /** @type {Place} */ (places.get(end))];
  const beside = all.filter(e => e.source === edge.source && endOf(e) === end);
  const shift = (beside.indexOf(edge) - (beside.length - 1) / 2) * 50;
  const [start, stop] = isDown
    ? [{ x: from.x + BOX.width / 2, y: from.y + BOX.height }, { x: to.x + BOX.width / 2, y: to.y - 7 }]
    : [{ x: from.x + BOX.width, y: from.y + BOX.height / 2 }, { x: to.x - 7, y: to.y + BOX.height / 2 }];
  const bend = Math.max(40, Math.abs(isDown ? stop.y - start.y : stop.x - start.x) / 2);
  const [near, far] = isDown
    ? [{ x: start.x + shift, y: start.y + bend }, { x: stop.x + shift, y: stop.y - bend }]
    : [{ x: start.x + bend, y: start.y + shift }, { x: stop.x - bend, y: stop.y + shift }];
  const state = health(edge);
  const line = svg("g", { class: `wire ${state}${isChosen ? " chosen" : ""}` });
  const curve = `M${start.x} ${start.y} C${near.x} ${near.y} ${far.x} ${far.y} ${stop.x} ${stop.y}`;
  // Twice the traffic is a bit wider, ten times is plainly wider.
  line.append(
    svg("path", { class: "line", d: curve, "stroke-width": (1.6 + Math.min(4, Math.log10(1 + edge.rps))).toFixed(1) }),
    svg("path", { class: "head", d: isDown ? `M${stop.x - 5} ${stop.y - 2}h10l-5 9z` : `M${stop.x - 2} ${stop.y - 5}v10l9 -5z` }));

  // Words stand where lines are apart: near the end where they fan out, near the beginning where they come together.
  const outs = new Set(all.filter(e => e.source === edge.source).map(endOf)).size;
  const ins = new Set(all.filter(e => endOf(e) === end).map(e => e.source)).size;
  const t = outs > ins ? 0.6 : ins > outs ? 0.4 : 0.5;
  const at = (/** @type {"x" | "y"} */ axis) => (1 - t) ** 3 * start[axis] + 3 * (1 - t) ** 2 * t * near[axis] + 3 * (1 - t) * t ** 2 * far[axis] + t ** 3 * stop[axis];
  const group = svg("g", { class: `edge ${state}${isChosen ? " chosen" : ""}`, tabindex: 0, role: "button", "aria-label": edgeWords(edge), "data-edge": edgeKey(edge), transform: `translate(${at("x").toFixed(1)} ${at("y").toFixed(1)})` });
  drawLabel(group, edge);
  group.addEventListener("click", () => choose(edge));
  group.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(edge);
  });
  return { line, group };
}

/** What an edge says of itself, on a plate over its line: padlock, rate and success, below it the split. @param {SVGElement} group @param {any} edge */
function drawLabel(group, edge) {
  const isPlain = edge.reached !== false && !edge.mtls;
  const traffic = isTcp(edge) ? "TCP" : `${rate(edge.rps)}/s · ${percent(edge.success)}`;
  const words = isPlain ? `plain text · ${traffic}` : traffic;
  const split = splitWords(edge);
  const lock = edge.reached === false ? 0 : 15;
  const width = Math.max(words.length * 6.6 + lock, split.length * 5.9) + 18;
  const height = split ? 38 : 23;
  group.append(svg("rect", { class: "plate", x: -width / 2, y: -height / 2, width, height, rx: 8 }));
  const y = split ? -3 : 4;
  if (lock) group.append(drawLock(-(words.length * 6.6 + lock) / 2, y - 10, edge.mtls));
  group.append(svg("text", { x: lock / 2, y, "text-anchor": "middle", class: isPlain ? "bad" : "" }, words));
  if (split) group.append(svg("text", { x: 0, y: 12, "text-anchor": "middle", class: "soft" }, split));
}

/** A padlock, shut or open: drawn, since not every machine has a font with one. @param {number} x @param {number} y @param {boolean} isShut */
function drawLock(x, y, isShut) {
  const group = svg("g", { class: isShut ? "lock" : "lock open", transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });
  group.append(svg("path", { d: isShut ? "M2 5V3.4a2.6 2.6 0 0 1 5.2 0V5" : "M2 5V3.4a2.6 2.6 0 0 1 5-1" }), svg("rect", { x: 0.6, y: 5, width: 8, height: 6, rx: 1.2 }));
  return group;
}

/** @param {Place} place */
function drawNode(place) {
  const group = svg("g", { class: place.isLost ? "node lost" : "node" });
  const middle = place.x + BOX.width / 2;
  group.append(
    svg("rect", { x: place.x, y: place.y, width: BOX.width, height: BOX.height, rx: 9 }),
    svg("text", { class: "name", x: middle, y: place.y + 23, "text-anchor": "middle" }, place.name.length > 22 ? `${place.name.slice(0, 21)}…` : place.name),
    svg("text", { class: "soft", x: middle, y: place.y + 40, "text-anchor": "middle" }, place.words),
    svg("title", {}, place.name));
  return group;
}

/** Requests and failures of each second, as areas over the same axis. @param {SVGElement} canvas @param {any[]} seconds of /api/history */
export function drawHistory(canvas, seconds) {
  const most = Math.max(1, ...seconds.map(s => s.requests));
  const [width, height] = [Math.max(1, seconds.length - 1), 60];
  const line = (/** @type {string} */ field) => seconds.map((s, i) => `${i ? "L" : "M"}${i} ${(height - 2 - (height - 6) * s[field] / most).toFixed(1)}`).join("");
  const area = (/** @type {string} */ field) => `${line(field)}L${width} ${height}L0 ${height}Z`;
  canvas.setAttribute("viewBox", `0 0 ${width} ${height}`);
  canvas.setAttribute("preserveAspectRatio", "none");
  const failed = seconds.some(s => s.failures > 0);
  canvas.replaceChildren(
    svg("path", { d: area("requests"), class: "area" }), svg("path", { d: line("requests"), class: "rim" }),
    ...(failed ? [svg("path", { d: area("failures"), class: "area failures" }), svg("path", { d: line("failures"), class: "rim failures" })] : []));
  return most;
}
