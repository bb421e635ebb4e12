// A table of rows that open. Texts of cases reach the page through text nodes only; its policy forbids every other way.

const NOUN = DATA.noun ?? "case";
const BY_ID = new Map();
DATA.cases.forEach((item, index) => { if (!BY_ID.has(item.id)) BY_ID.set(item.id, index); });
const address = (index) => `#case=${encodeURIComponent(DATA.cases[index].id)}`;

// The table: sorted by one column, ties in the first order; rows without a value come last either way.

const table = $("table");
const body = table.tBodies[0];
const rows = [...body.rows];
const headers = [...table.tHead.rows[0].cells];
const collator = new Intl.Collator(undefined, { numeric: true });
let order = rows.map((_, index) => index);
let visible = order;

headers.forEach((header, column) => {
  const button = h("button", { type: "button" }, header.textContent);
  header.replaceChildren(button);
  button.addEventListener("click", () => {
    const direction = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    headers.forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", direction);
    sort(column, direction === "ascending" ? 1 : -1);
  });
});

function sort(column, sign) {
  const key = (index) => DATA.keys[index][column];
  order = rows.map((_, index) => index).sort((left, right) => {
    const a = key(left), b = key(right);
    if (a === null || b === null) return (a === null) - (b === null) || left - right;
    return sign * (typeof a === "number" ? a - b : collator.compare(a, b)) || left - right;
  });
  body.append(...order.map((index) => rows[index]));
  filter();
}

// Filters: all must hold.

const haystacks = [];
const words = (value) => (typeof value === "string" ? value
  : value !== null && typeof value === "object" ? Object.values(value).map(words).join("\n") : "");
const haystack = (index) => (haystacks[index] ??= words(DATA.cases[index]).toLowerCase());

function filter() {
  const text = $("filter-text").value.trim().toLowerCase();
  const state = $("filter-state").value;
  const column = $("filter-column").value;
  const below = $("filter-below").value === "" ? NaN : Number($("filter-below").value);
  visible = order.filter((index) => {
    if (state && DATA.states[index] !== state) return false;
    if (column && !Number.isNaN(below)) {
      const value = DATA.keys[index][Number(column)];
      if (value === null || value >= below) return false;
    }
    return !text || haystack(index).includes(text);
  });
  const kept = new Set(visible);
  rows.forEach((row, index) => { row.hidden = !kept.has(index); });
  const all = rows.length.toLocaleString("en");
  $("shown").textContent = visible.length === rows.length ? `${all} ${NOUN}${rows.length === 1 ? "" : "s"}`
    : `${visible.length.toLocaleString("en")} of ${all} ${NOUN}s`;
}

for (const id of ["filter-text", "filter-state", "filter-column", "filter-below"]) $(id).addEventListener("input", filter);
$("filter-clear").addEventListener("click", () => {
  for (const id of ["filter-text", "filter-state", "filter-column", "filter-below"]) $(id).value = "";
  filter();
  $("filter-text").focus();
});
body.addEventListener("click", (event) => {
  if (event.target.closest("a") || String(getSelection())) return;
  const row = event.target.closest("tr");
  if (row) location.hash = address(Number(row.dataset.i));
});
