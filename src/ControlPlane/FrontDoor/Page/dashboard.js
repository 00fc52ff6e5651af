// @ts-check
import { drawGraph, edgeKey, edgeWords, health, percent, svg } from "./graph.js";

const RECORDS_SHOWN = 100;
const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

let chosen = "";
let paused = false;
/** @type {any[]} */
let records = [];
/** @type {EventSource | undefined} */
let source;

function connect() {
  source?.close();
  const filter = new URLSearchParams({ window: "10s" });
  for (const [name, value] of new FormData(/** @type {HTMLFormElement} */ (byId("tap-filter")))) if (value) filter.set(name, String(value));
  source = new EventSource(`/api/stream?${filter}`);
  source.addEventListener("open", () => say("live", false));
  source.addEventListener("error", () => say("connection lost, trying again …", true));
  source.addEventListener("traffic", event => showTraffic(JSON.parse(event.data)));
  source.addEventListener("record", event => addRecord(JSON.parse(event.data)));
}

/** @param {string} text @param {boolean} lost */
function say(text, lost) {
  byId("connection").textContent = text;
  byId("connection").classList.toggle("lost", lost);
}

/** @param {any} view */
function showTraffic({ summary, edges, proxies }) {
  const share = (/** @type {number | null} */ value) => value === null ? "–" : percent(value);
  const ms = (/** @type {number | null} */ value) => value === null ? "–" : `${value.toFixed(1)} ms`;
  byId("rps").textContent = summary.rps.toFixed(1);
  byId("success").textContent = share(summary.success);
  byId("p50").textContent = ms(summary.p50Ms);
  byId("p99").textContent = ms(summary.p99Ms);
  byId("mtls").textContent = share(summary.mtlsShare);
  byId("synced").textContent = `${summary.synced}/${summary.proxies}`;
  byId("refused").textContent = summary.refused;
  byId("refused").className = summary.refused > 0 ? "bad" : "";
  byId("empty").hidden = edges.length > 0;

  drawGraph(/** @type {any} */ (byId("graph")), edges, choose);
  fill("edges", edges.map((/** @type {any} */ edge) => row(
    [edge.source, edge.service, edge.reached ? edge.destination : "none reached", edge.reached ? edge.version : "–", edge.rps.toFixed(1), [share(edge.success), health(edge)], ms(edge.p50Ms), ms(edge.p99Ms),
      edge.reached ? [edge.mtls ? "✓ yes" : "✗ NO", edge.mtls ? "good" : "bad"] : "–", share(edge.share), share(edge.wantedShare)],
    () => choose(edge), edgeKey(edge))));
  fill("proxies", proxies.map((/** @type {any} */ proxy) => row(
    [proxy.name, proxy.type, proxy.version, proxy.errors.length > 0 ? [`✗ ${proxy.errors[0]}`, "bad"] : proxy.synced ? ["✓ synced", "good"] : ["… behind", "warn"], expiry(proxy.certificateExpires)])));
  const edge = edges.find((/** @type {any} */ e) => edgeKey(e) === chosen);
  if (edge) showEdge(edge);
}

/** @param {any} edge */
function choose(edge) {
  chosen = edgeKey(edge);
  byId("edge-detail").hidden = false;
  showEdge(edge);
}

/** @param {any} edge */
async function showEdge(edge) {
  byId("edge-title").textContent = `${edge.source} → ${edge.reached ? edge.destination : `${edge.service}, which was not reached`}`;
  facts("edge-facts", {
    "In words": edgeWords(edge),
    "Identities": `${edge.sourceIdentity || "unknown"} → ${edge.destinationIdentity || "unknown"}`,
    "Ends": Object.entries(edge.ends).map(([end, count]) => `${end}: ${count}`).join(",  "),
  });
  const answer = await fetch(`/api/history?${new URLSearchParams({ window: "300s", source: edge.source, destination: edge.destination })}`);
  if (answer.ok) spark(await answer.json());
}

/** @param {any[]} seconds */
function spark(seconds) {
  const most = Math.max(1, ...seconds.map(s => s.requests));
  const line = (/** @type {string} */ field) => seconds.map((s, i) => `${i ? "L" : "M"}${i} ${(58 - 54 * s[field] / most).toFixed(1)}`).join("");
  const canvas = byId("spark");
  canvas.setAttribute("viewBox", `0 0 ${seconds.length} 60`);
  canvas.setAttribute("preserveAspectRatio", "none");
  canvas.replaceChildren(svg("path", { d: line("requests") }), svg("path", { d: line("failures"), class: "failures" }));
}

/** @param {any} record */
function addRecord(record) {
  records.unshift(record);
  records.length = Math.min(records.length, RECORDS_SHOWN);
  if (!paused) showRecords();
}

function showRecords() {
  fill("records", records.map(r => row(
    [r.time.slice(11, 23), r.sourceWorkload || r.source, r.destinationWorkload || r.destinationService, `${r.method} ${r.authority}${r.path}`,
      [String(r.status), r.status === 0 || r.status >= 500 ? "bad" : r.status >= 400 ? "warn" : "good"], r.latencyMs.toFixed(1), r.flagsMeaning || r.policy],
    () => {
      byId("record-facts").hidden = false;
      facts("record-facts", r);
    })));
}

async function showConfig() {
  const answer = await fetch("/api/config");
  if (!answer.ok) return;
  const { resources, refused, leftOut } = await answer.json();
  const told = (/** @type {any} */ r, /** @type {string} */ sign, /** @type {string} */ style) => {
    const [kind, namespace, name] = r.object.includes("/") ? r.object.split("/") : ["file", "", r.object];
    return row([kind, namespace, name, r.line ? `line ${r.line}` : "", [`${sign} ${r.field ? r.field + ": " : ""}${r.message}`, style]]);
  };
  fill("config", [
    ...refused.map((/** @type {any} */ r) => told(r, "✗", "bad")),
    ...leftOut.map((/** @type {any} */ r) => told(r, "! no effect:", "warn")),
    ...resources.map((/** @type {any} */ r) => row([r.kind, r.namespace, r.name, r.origin, ["✓ in force", "good"]])),
  ]);
}

/** @param {string | null} when */
function expiry(when) {
  if (!when) return "–";
  const minutes = (Date.parse(when) - Date.now()) / 60000;
  const text = minutes >= 120 ? `in ${Math.floor(minutes / 60)} h` : minutes > 0 ? `in ${Math.ceil(minutes)} min` : "EXPIRED";
  return [text, minutes < 10 ? "bad" : minutes < 60 ? "warn" : ""];
}

/** @param {any[]} cells text, or [text, class] @param {() => void} [act] @param {string} [key] */
function row(cells, act, key) {
  const element = document.createElement("tr");
  for (const cell of cells) {
    const [text, kind] = Array.isArray(cell) ? cell : [cell, ""];
    const column = document.createElement("td");
    column.textContent = text;
    if (kind) column.className = kind;
    element.append(column);
  }
  if (act) {
    element.tabIndex = 0;
    if (key) element.dataset.key = key;
    element.addEventListener("click", act);
    element.addEventListener("keydown", event => { if (event.key === "Enter") act(); });
  }
  return element;
}

/** Replaces a table's rows; the row that has the keyboard's focus keeps it. @param {string} table @param {HTMLElement[]} rows */
function fill(table, rows) {
  const body = /** @type {HTMLElement} */ (byId(table).querySelector("tbody"));
  const focused = body.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.key : undefined;
  body.replaceChildren(...rows);
  if (focused) rows.find(r => r.dataset.key === focused)?.focus();
}

/** @param {string} list @param {Record<string, any>} values */
function facts(list, values) {
  byId(list).replaceChildren(...Object.entries(values).filter(([, value]) => value !== null && value !== "").flatMap(([name, value]) => {
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    text.textContent = String(value);
    return [term, text];
  }));
}

byId("tap-filter").addEventListener("submit", event => {
  event.preventDefault();
  records = [];
  showRecords();
  connect();
});
byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("pause").textContent = paused ? "Resume" : "Pause";
  if (!paused) showRecords();
});

connect();
showConfig();
setInterval(showConfig, 3000);
