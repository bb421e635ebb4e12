// One case: the pieces that the views of a run and of a comparison are made of.

const [LOW, HIGH] = DATA.rubric.scale;
const CRITERIA = DATA.rubric.criteria;
const share = (score) => (100 * (score - LOW)) / (HIGH - LOW);

/** The output with its quoted passages marked; the names of the criteria stand behind each passage. */
function marked(item, label, prefix) {
  const text = item.output ?? "";
  if (!text) return h("p", { class: "note" }, "(empty)");
  const pieces = [];
  let at = 0;
  for (const [start, end, over, ending] of item.marks ?? []) {
    pieces.push(text.slice(at, start));
    pieces.push(h("mark", {
      class: over.length === 1 ? `c${over[0] % 6}` : "many",
      "data-over": over.join(" "),
      "data-label": ending.length ? ending.map((number) => CRITERIA[number].name).join(" + ") : null,
      "data-in": prefix,
    }, text.slice(start, end)));
    at = end;
  }
  pieces.push(text.slice(at));
  return box(text, label, pieces);
}

/** Brings the passages of one criterion into view and marks them out. */
function point(number, quote, prefix) {
  const all = [...document.querySelectorAll(`mark[data-in="${prefix}"]`)];
  const own = all.filter((mark) => mark.dataset.over.split(" ").includes(String(number)));
  all.forEach((mark) => mark.classList.toggle("on", own.includes(mark)));
  const first = own.find((mark) => quote.includes(mark.textContent.trim())) ?? own[0];
  if (first) first.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function bar(score, { spread, floor, low } = {}) {
  const left = spread === undefined ? 0 : Math.max(0, share(score - spread));
  const right = spread === undefined ? 0 : Math.min(100, share(score + spread));
  return h("svg:svg", { class: "bar", viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" },
    h("svg:rect", { class: "track", width: 100, y: 2, height: 8 }),
    h("svg:rect", { class: low ? "fill against" : "fill", width: share(score), y: 2, height: 8 }),
    spread !== undefined && h("svg:path", { class: "whisker", d: `M${left} 6H${right}M${left} 3V9M${right} 3V9` }),
    floor !== null && floor !== undefined && h("svg:path", { class: "floor", d: `M${share(floor)} 0V12` }));
}

function distribution(shares) {
  const wide = 30;
  const told = shares.map(([position, part]) => `${figure(position)}: ${per_cent(part)}`).join(", ");
  return h("svg:svg", {
    class: "distribution", viewBox: `0 0 ${wide * shares.length} 62`, width: wide * shares.length, height: 62,
    role: "img", "aria-label": `Probability per score. ${told}`,
  }, h("svg:title", null, told), shares.map(([position, part], index) => [
    h("svg:rect", { class: "track", x: index * wide + 3, y: 12, width: wide - 6, height: 36 }),
    h("svg:rect", { class: "fill", x: index * wide + 3, y: 48 - 36 * part, width: wide - 6, height: 36 * part }),
    h("svg:text", { x: index * wide + wide / 2, y: 9 }, part >= 0.005 ? `${Math.round(100 * part)}%` : ""),
    h("svg:text", { x: index * wide + wide / 2, y: 60 }, figure(position, 1)),
  ]));
}

const failed = ([kind, meaning, detail]) => h("p", { class: "failure" },
  h("code", null, kind), ` ${meaning}. `, h("span", { dir: "auto" }, detail));

/** Reason, evidence and distribution of one criterion; `prefix` says in which text its quotes are marked. */
function explained(item, number, prefix) {
  return [
    item.low && h("p", { class: "failure" }, `Below its floor of ${CRITERIA[number].floor}: this fails the candidate, whatever the rest says.`),
    item.failure && failed(item.failure),
    item.reason && said(item.reason),
    item.evidence && h("ul", { class: "evidence", "aria-label": `Evidence for ${CRITERIA[number].name}` }, item.evidence.map((quote) => {
      const button = h("button", { type: "button", dir: "auto", title: "Show in the text" }, `“${quote}”`);
      button.addEventListener("click", () => point(number, quote, prefix));
      return h("li", null, button);
    })),
    item.checks && h("ul", { class: "gates", "aria-label": `Checks of ${CRITERIA[number].name}` }, item.checks.map(([says, probability, holds]) =>
      h("li", { class: holds === false ? "failure" : null }, h("b", null, holds === null ? "cannot tell" : holds ? "holds" : "fails"), " ", h("span", { dir: "auto" }, says), ` (${per_cent(probability)})`))),
    item.distribution && distribution(item.distribution),
    item.mass !== undefined && item.mass < 0.9 && h("p", { class: "note" },
      `Only ${per_cent(item.mass)} of the answer's probability lay on the scale: the judge was confused.`),
  ];
}

/** What was read of a whole case, where that is no grade. */
const reading = (item) => `read as ${figure(item.sum)} of ${HIGH}, raw`;

/** The reading before it was mapped to points. */
const raw = (item) => item.raw !== undefined && h("span", { class: "note" }, `raw ${figure(item.raw)}`);

const with_spread = (item) => (item.spread === undefined ? "" : ` ± ${figure(item.spread)}`);

function given(item) {
  const [, input] = DATA.rubric.names;
  return [
    item.input && section(input[0].toUpperCase() + input.slice(1), box(item.input, input)),
    item.references && section(item.references.length === 1 ? "Reference" : "References",
      item.references.map((text, index) => box(text, `reference ${index + 1}`))),
    item.context && section("Context", box(item.context, "context")),
  ];
}

function conclusion(item) {
  const wordy = item.why || item.steps;
  return [
    item.why && section("Why not 2 lower", said(item.why)),
    item.steps && section("Steps to 10", h("ol", { class: "steps" }, item.steps.map(([name, text, gain]) =>
      h("li", null, h("b", null, name), gain > 0 ? ` (up to +${figure(gain)} of ${HIGH}) ` : " ", h("span", { dir: "auto" }, text))))),
    item.wordless && section(item.words ? "Missing words" : "No words", h("p", null, "Words or checks that were asked for could not be had."), failed(item.wordless)),
    wordy && item.words === "program" && h("p", { class: "note" }, "Put into words by a program, from the readings and the rubric. Checks change no score."),
    wordy && item.words === "model" && h("p", { class: "note" }, item.small ? "Words of a small model: read them as hints. The scores do not depend on them." : "Words of the judge's model."),
    item.arithmetic && section("Arithmetic", h("pre", { class: "sum", tabindex: "0", role: "region", "aria-label": "arithmetic" }, item.arithmetic.join("\n"))),
    item.metrics && section("Reference metrics", h("table", { class: "plain" },
      h("caption", null, "Likeness to the nearest reference, 0 to 1"),
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "metric"), h("th", { scope: "col", class: "n" }, "value"), h("th", { scope: "col", class: "n" }, "nearest"))),
      h("tbody", null, item.metrics.map(([name, value, best, capped]) => h("tr", null, h("th", { scope: "row" }, name),
        h("td", { class: "n" }, figure(value, 3), capped && " (first part only)"), h("td", { class: "n" }, `reference ${best + 1}`)))))),
    item.gates && section("Gates", h("ul", { class: "gates" }, item.gates.map(([gate, passed, detail]) =>
      h("li", { class: passed ? null : "failure" }, h("b", null, passed ? "passed" : "failed"), " ", h("code", null, gate), " ", h("span", { dir: "auto" }, `(${detail})`))))),
    item.took && h("p", { class: "note" }, item.took),
  ];
}
