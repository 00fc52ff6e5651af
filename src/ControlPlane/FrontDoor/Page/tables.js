// @ts-check
// Tables and lists of facts. A cell is a text, or [text, class].

const ROWS_MAX = 200;

/** @param {string} id */
export function byId(id) { return /** @type {HTMLElement} */ (document.getElementById(id)); }

/** @param {string} name @param {string} text @param {string} [kind] */
export function element(name, text, kind) {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/** @param {any[]} cells @param {() => void} [act] what a click or Enter does @param {string} [key] by which the row is known again */
export function row(cells, act, key) {
  const made = document.createElement("tr");
  made.append(...cells.map(cell => Array.isArray(cell) ? element("td", cell[0], cell[1]) : element("td", cell)));
  if (key) made.dataset.key = key;
  if (act) {
    made.tabIndex = 0;
    made.addEventListener("click", act);
    made.addEventListener("keydown", event => { if (event.key === "Enter") act(); });
  }
  return made;
}

/** Replaces a table's rows, as many as can be read; the row that has the keyboard's focus keeps it. @param {string} id @param {HTMLTableRowElement[]} rows @param {string} [nothing] what to say where there is none */
export function fill(id, rows, nothing) {
  const table = byId(id);
  const body = /** @type {HTMLElement} */ (table.querySelector("tbody"));
  const names = [...table.querySelectorAll("th")].map(head => head.textContent ?? "");
  const focused = body.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.key : undefined;
  const shown = rows.slice(0, ROWS_MAX);
  // A narrow window shows each row as a card: there a cell says itself what it is.
  for (const one of shown) if (one.cells.length === names.length) [...one.cells].forEach((cell, i) => { cell.dataset.name = names[i]; });
  if (rows.length > ROWS_MAX) shown.push(whole(names.length, element("span", `… and ${rows.length - ROWS_MAX} more`, "soft")));
  if (rows.length === 0 && nothing) shown.push(whole(names.length, element("span", nothing, "soft")));
  body.replaceChildren(...shown);
  if (focused) shown.find(one => one.dataset.key === focused)?.focus();
}

/** A row of one cell. @param {number} columns @param {HTMLElement} content */
export function whole(columns, content) {
  const made = document.createElement("tr");
  const cell = document.createElement("td");
  cell.colSpan = columns;
  cell.className = "whole";
  cell.append(content);
  made.append(cell);
  return made;
}

/** Fills a list of terms; what is empty is left out. @param {HTMLElement} list @param {Record<string, any>} values */
export function facts(list, values) {
  list.replaceChildren(...Object.entries(values).filter(([, value]) => value !== null && value !== "" && value !== undefined).flatMap(([name, value]) => {
    const text = document.createElement("dd");
    text.append(value instanceof Node ? value : String(value));
    return [element("dt", name), text];
  }));
  return list;
}
