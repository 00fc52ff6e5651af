// @ts-check
import { drawGraph, drawHistory } from "./graph.js";
import { byId, element, facts, fill, row, whole } from "./tables.js";
import { ago, edgeKey, edgeWords, endWords, expiry, health, milliseconds, percent, rate } from "./words.js";

const RECORDS_SHOWN = 100;
const REDRAW_MS = 250;
const COLUMNS_OF_A_RECORD = 7;

/** The newest of what the control plane told. @type {any} */
let view = { summary: { addOns: [] }, edges: [], proxies: [] };
let chosenEdge = "";
let chosenRecord = "";
/** What is shown while the list stands still. @type {any[] | undefined} */
let frozen;
let namespace = "";
/** Newest first. @type {any[]} */
let records = [];
let recordsChanged = false;
/** @type {EventSource | undefined} */
let source;

function connect() {
  source?.close();
  const filter = new URLSearchParams({ window: "10s" });
  for (const [name, value] of new FormData(/** @type {HTMLFormElement} */ (byId("tap-filter")))) if (value) filter.set(name, String(value));
  source = new EventSource(`/api/stream?${filter}`);
  source.addEventListener("open", () => say("live", false));
  source.addEventListener("error", () => say("connection lost, trying again …", true));
  source.addEventListener("traffic", event => {
    view = JSON.parse(event.data);
    showTraffic();
  });
  source.addEventListener("record", event => addRecord(JSON.parse(event.data)));
}

/** @param {string} text @param {boolean} lost */
function say(text, lost) {
  byId("connection").textContent = text;
  byId("connection").classList.toggle("lost", lost);
}

function showTraffic() {
  const { summary, edges, proxies } = view;
  tell("rps", rate(summary.rps));
  tell("success", percent(summary.success), summary.success === null ? "" : health({ success: summary.success }));
  tell("p50", milliseconds(summary.p50Ms));
  tell("p99", milliseconds(summary.p99Ms));
  tell("mtls", percent(summary.mtlsShare), summary.mtlsShare === null ? "" : summary.mtlsShare === 1 ? "good" : "bad");
  tell("synced", `${summary.synced}/${summary.proxies}`, summary.synced < summary.proxies ? "warn" : "");
  tell("refused", String(summary.refused), summary.refused > 0 ? "bad" : "");
  tell("changed", ago(summary.changed, Date.now()));
  byId("version").textContent = summary.version;
  showAddOns(summary.addOns);
  showNamespaces(edges);

  const shown = edges.filter((/** @type {any} */ edge) => !namespace || edge.sourceNamespace === namespace || edge.destinationNamespace === namespace);
  byId("empty").hidden = shown.length > 0;
  byId("legend").hidden = shown.length === 0;
  drawGraph(/** @type {any} */ (byId("graph")), shown, chosenEdge, choose);
  fill("edges", shown.map((/** @type {any} */ edge) => row(
    [edge.source, edge.service, edge.reached ? edge.destination : "none reached", edge.reached ? edge.version : "–", rate(edge.rps), [percent(edge.success), health(edge)], milliseconds(edge.p50Ms), milliseconds(edge.p99Ms),
      edge.reached ? [edge.mtls ? "✓ yes" : "✗ NO", edge.mtls ? "good" : "bad"] : "–", percent(edge.share), percent(edge.wantedShare)],
    () => choose(edge), edgeKey(edge))));
  fill("proxies", proxies.map((/** @type {any} */ proxy) => row(
    [proxy.name, proxy.type === "router" ? "gateway" : proxy.type, proxy.version, proxy.errors.length > 0 ? [`✗ ${proxy.errors[0]}`, "bad"] : proxy.synced ? ["✓ synced", "good"] : ["… behind", "warn"], expiry(proxy.certificateExpires, Date.now())])),
    "no proxy is connected");
  const edge = edges.find((/** @type {any} */ e) => edgeKey(e) === chosenEdge);
  if (edge) showEdge(edge);
}

/** @param {string} id @param {string} text @param {string} [kind] */
function tell(id, text, kind = "") {
  byId(id).textContent = text;
  byId(id).className = kind;
}

/** @param {string[]} addOns */
function showAddOns(addOns) {
  const list = byId("add-ons");
  if (list.childElementCount === addOns.length) return;
  list.replaceChildren(...addOns.map(name => Object.assign(element("a", name), { href: `/${name}/` })));
}

/** @param {any[]} edges */
function showNamespaces(edges) {
  const select = /** @type {HTMLSelectElement} */ (byId("namespace"));
  const names = [...new Set(edges.flatMap(edge => edge.reached ? [edge.sourceNamespace, edge.destinationNamespace] : [edge.sourceNamespace]))].sort();
  if (namespace && !names.includes(namespace)) names.push(namespace);
  if (select.options.length === names.length + 1 && names.every((name, i) => select.options[i + 1].value === name)) return;
  select.replaceChildren(new Option("all namespaces", ""), ...names.map(name => new Option(name, name, false, name === namespace)));
}

/** @param {any} edge */
function choose(edge) {
  chosenEdge = edgeKey(edge);
  byId("edge-detail").hidden = false;
  showTraffic();
}

/** @param {any} edge */
async function showEdge(edge) {
  byId("edge-title").textContent = `${edge.source} → ${edge.reached ? edge.destination : `${edge.service}, which was not reached`}`;
  facts(byId("edge-facts"), {
    "In words": edgeWords(edge),
    "Identities": `${edge.sourceIdentity || "unknown"} → ${edge.destinationIdentity || "unknown"}`,
    "Latency": `p50 ${milliseconds(edge.p50Ms)}  ·  p95 ${milliseconds(edge.p95Ms)}  ·  p99 ${milliseconds(edge.p99Ms)}`,
    "Ends, last 10 s": endWords(edge),
  });
  const answer = await fetch(`/api/history?${new URLSearchParams({ window: "300s", source: edge.source, destination: edge.destination })}`);
  if (!answer.ok) return;
  const most = drawHistory(/** @type {any} */ (byId("spark")), await answer.json());
  byId("spark-words").textContent = `the last five minutes, at most ${most} requests in a second`;
}

/** Records come in batches of each proxy: they are put where their time belongs. @param {any} record */
function addRecord(record) {
  const at = records.findIndex(other => other.time <= record.time);
  records.splice(at < 0 ? records.length : at, 0, record);
  records.length = Math.min(records.length, RECORDS_SHOWN);
  recordsChanged = true;
}

/** @param {any} record */
function recordKey(record) { return `${record.proxy} ${record.requestId} ${record.reporter} ${record.time}`; }

function showRecords() {
  recordsChanged = false;
  fill("records", (frozen ?? records).flatMap(record => {
    const key = recordKey(record);
    const failed = record.status === 0 || record.status >= 500;
    const line = row(
      [record.time.slice(11, 23), record.sourceWorkload || record.source, record.destinationWorkload === "unknown" ? record.destinationService : record.destinationWorkload || record.destinationService, `${record.method} ${record.authority}${record.path}`,
        [record.status === 0 ? "none" : String(record.status), failed ? "bad" : record.status >= 400 ? "warn" : "good"], record.latencyMs.toFixed(1), record.flagsMeaning || record.policy],
      () => {
        chosenRecord = chosenRecord === key ? "" : key;
        pause(true);
      }, key);
    line.setAttribute("aria-expanded", String(key === chosenRecord));
    line.classList.toggle("failed", failed);
    return key === chosenRecord ? [line, recordDetail(record)] : [line];
  }), "no request yet that the filter takes");
}

/** A list that stands still can be read: choosing a request pauses it. @param {boolean} still */
function pause(still) {
  frozen = still ? frozen ?? [...records] : undefined;
  byId("pause").setAttribute("aria-pressed", String(still));
  byId("pause").textContent = still ? "Resume" : "Pause";
  showRecords();
}

/** What its proxy decided about a request. @param {any} r */
function recordDetail(r) {
  const trace = r.traceId && view.summary.addOns.includes("jaeger") ? Object.assign(element("a", r.traceId), { href: `/jaeger/trace/${r.traceId}` }) : r.traceId;
  return whole(COLUMNS_OF_A_RECORD, facts(document.createElement("dl"), {
    "Told by": `${r.proxy}, ${r.reporter === "source" ? "the caller's side" : "the server's side"}`,
    "Why": [r.flagsMeaning && `${r.flagsMeaning} (${r.flags})`, r.details === "via_upstream" ? "" : r.details].filter(Boolean).join(": "),
    "Policy": r.policy,
    "Route": r.route,
    "Cluster": r.cluster,
    "Endpoint": r.endpoint,
    "Attempts": r.attempts > 1 ? r.attempts : "",
    "Caller": r.sourceIdentity || r.source,
    "Server": r.destinationIdentity,
    "Mutual TLS": r.mtls ? "yes" : "no",
    "gRPC status": r.grpcStatus,
    "Bytes": `${r.requestBytes} in, ${r.responseBytes} out`,
    "Request id": r.requestId,
    "Trace": trace,
  }));
}

async function showConfig() {
  const answer = await fetch("/api/config").catch(() => undefined);
  if (!answer?.ok) return;
  const { resources, refused, leftOut } = await answer.json();
  const told = (/** @type {any} */ r, /** @type {string} */ sign, /** @type {string} */ style) => {
    const [kind, space, name] = r.object.includes("/") ? r.object.split("/") : ["file", "", r.object];
    return row([kind, space, name, r.line ? `line ${r.line}` : "", [`${sign} ${r.field ? r.field + ": " : ""}${r.message}`, style]]);
  };
  fill("config", [
    ...refused.map((/** @type {any} */ r) => told(r, "✗", "bad")),
    ...leftOut.map((/** @type {any} */ r) => told(r, "! no effect:", "warn")),
    ...resources.map((/** @type {any} */ r) => row([r.kind, r.namespace, r.name, r.origin, ["✓ in force", "good"]])),
  ], "no resource of Istio's or of the Gateway API");
}

byId("tap-filter").addEventListener("submit", event => {
  event.preventDefault();
  records = [];
  pause(false);
  connect();
});
byId("pause").addEventListener("click", () => pause(!frozen));
byId("namespace").addEventListener("change", event => {
  namespace = /** @type {HTMLSelectElement} */ (event.target).value;
  showTraffic();
});
byId("edge-close").addEventListener("click", () => {
  chosenEdge = "";
  byId("edge-detail").hidden = true;
  showTraffic();
});

connect();
showConfig();
setInterval(showConfig, 3000);
setInterval(() => { if (recordsChanged && !frozen) showRecords(); }, REDRAW_MS);
