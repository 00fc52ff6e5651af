// @ts-check
// Numbers and traffic in words: what the graph, the tables and a screen reader say alike.

/** @param {number | null} share from 0 to 1 */
export function percent(share) {
  if (share === null) return "–";
  const text = (100 * share).toFixed(share > 0 && share < 1 ? 1 : 0);
  // One failure in ten thousand is not "100.0%".
  return share < 1 && text === "100.0" ? "99.9%" : `${text}%`;
}

/** @param {number | null} value */
export function milliseconds(value) {
  if (value === null) return "–";
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(value < 100 ? 1 : 0)} ms`;
}

/** @param {number} value */
export function rate(value) { return value >= 1000 ? `${(value / 1000).toFixed(1)}k` : value.toFixed(value < 100 ? 1 : 0); }

/** @param {string | null} when @param {number} now */
export function ago(when, now) {
  if (!when) return "–";
  const seconds = Math.max(0, Math.round((now - Date.parse(when)) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min ago` : `${Math.floor(seconds / 3600)} h ago`;
}

/** When a certificate ends, and how worrying that is. @param {string | null} when @param {number} now @returns {[string, string]} */
export function expiry(when, now) {
  if (!when) return ["–", ""];
  const minutes = (Date.parse(when) - now) / 60000;
  const text = minutes >= 120 ? `in ${Math.floor(minutes / 60)} h` : minutes > 0 ? `in ${Math.ceil(minutes)} min` : "EXPIRED";
  return [text, minutes < 10 ? "bad" : minutes < 60 ? "warn" : ""];
}

/** How worrying an edge is; the line's shape says it as well as its colour. @param {any} edge */
export function health(edge) {
  if (edge.reached === false) return "bad";
  if (edge.success === null || edge.success >= 0.999) return "good";
  return edge.success >= 0.95 ? "warn" : "bad";
}

/** @param {any} edge */
export function edgeKey(edge) { return `${edge.source}>${edge.service}>${edge.destination}`; }

/** @param {any} edge */
export function isTcp(edge) { return edge.protocol === "tcp"; }

/** @param {any} edge */
export function splitWords(edge) {
  if (edge.share === null || (edge.wantedShare === null && edge.share >= 1)) return "";
  return percent(edge.share) + (edge.wantedShare === null ? " of the calls" : ` (wanted ${percent(edge.wantedShare)})`);
}

/** @param {any} edge */
export function edgeWords(edge) {
  if (edge.reached === false) return `${edge.source} calls ${edge.service}: ${rate(edge.rps)} requests a second ended before an endpoint was reached`;
  const traffic = isTcp(edge) ? "TCP connections" : `${rate(edge.rps)} requests a second, ${edge.success === null ? "none" : percent(edge.success)} successful`;
  const split = splitWords(edge);
  return `${edge.source} calls ${edge.destination}: ${traffic}, ${edge.mtls ? "mutual TLS" : "NOT encrypted"}${split && `, ${split}`}`;
}

/** How requests of an edge ended: count, status, and the flag in plain words. @param {any} edge */
export function endWords(edge) {
  return Object.entries(edge.ends).map(([end, count]) => {
    const [status, flags] = end.split(" ");
    const meaning = edge.meanings[flags] ? `, ${edge.meanings[flags]} (${flags})` : "";
    return `${count} × ${status === "0" ? "no answer" : status}${meaning}`;
  }).join("  ·  ");
}
