// An attempt: what was tried on the left, what came of it on the right.

const signed = (value) => (value > 0 ? "+" : "") + figure(value, DATA.decimals);

function diff(text) {
  const kind = (line) => (/^(?:diff --git|index |--- |\+\+\+ |new file|deleted file|old mode|new mode|similarity|rename)/.test(line) ? "file"
    : line.startsWith("@@") ? "hunk" : line.startsWith("+") ? "add" : line.startsWith("-") ? "del" : null);
  let inside = false;
  const lines = text.trimEnd().split("\n").map((line) => {
    if (line.startsWith("diff --git")) inside = false;
    if (line.startsWith("@@")) inside = true;
    // Inside a hunk a removed line may begin with "-- ", which is no header.
    const name = inside && /^(?:\+\+|--)/.test(line) ? (line[0] === "+" ? "add" : "del") : kind(line);
    return h("span", { class: name }, `${line}\n`);
  });
  return h("pre", { class: "text code diff", tabindex: "0", role: "region", "aria-label": "diff" }, lines);
}

/** The differences of one look as ticks beside zero: where they lie tells more than their mean. */
function strip(values, reach) {
  const x = (value) => 50 + (48 * value) / reach;
  return h("svg:svg", { class: "bar", viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" },
    h("svg:rect", { class: "track", width: 100, y: 2, height: 8 }), h("svg:path", { class: "zero", d: "M50 0V12" }),
    values.map((value) => h("svg:path", { class: value < 0 ? "tick against" : "tick", d: `M${x(value).toFixed(2)} 2V10` })));
}

function looks(item) {
  const reach = Math.max(0.001, ...item.looks.flatMap(([, , values]) => values.map(Math.abs)));
  return h("table", { class: "plain" },
    h("caption", null, h("span", null, "Candidate − incumbent of the cases new in each look")),
    h("thead", null, h("tr", null, ["split", "cases", "differences", "mean"].map((name, column) =>
      h("th", { scope: "col", class: column === 2 ? "draw" : column ? "n" : null }, name)))),
    h("tbody", null, item.looks.map(([split, units, values]) => h("tr", null,
      h("th", { scope: "row" }, split), h("td", { class: "n" }, `to ${units}`), h("td", { class: "draw" }, strip(values, reach)),
      h("td", { class: "n" }, values.length ? signed(values.reduce((sum, value) => sum + value, 0) / values.length) : "–")))));
}

function decision(item) {
  const facts = [
    item.effect !== undefined && ["effect, as estimated", signed(item.effect)],
    item.low !== undefined && item.high !== undefined && ["90 % interval", `${signed(item.low)} to ${signed(item.high)}`],
    item.p_better !== undefined && ["P(better)", figure(item.p_better, 3)],
    item.fooling !== undefined && ["P(worse, and fools the judge)", figure(item.fooling, 3)],
    item.score !== undefined && ["score", figure(item.score, DATA.decimals)],
    item.incumbent !== undefined && ["incumbent on the same", figure(item.incumbent, DATA.decimals)],
    item.rebased > 0 && ["put on a newer incumbent", `${item.rebased} ×`],
  ].filter(Boolean);
  return [
    item.reason && said(item.reason),
    item.faults && h("ul", { class: "told failure" }, item.faults.map((fault) => h("li", { dir: "auto" }, fault))),
    item.alarms && h("ul", { class: "told failure", "aria-label": "Alarms" },
      item.alarms.map((alarm) => h("li", { dir: "auto" }, h("b", null, "alarm "), alarm))),
    facts.length > 0 && h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", null, name), h("dd", null, value)])),
    item.floors && h("ul", { class: "told" }, item.floors.map((floor) => h("li", { dir: "auto" }, floor))),
  ];
}

function view(item, heading) {
  heading.prepend("Attempt ");
  const trend = item.trend && item.trend !== "unknown" && `The loop is ${item.trend}.`;
  const faithful = item.true_to_idea === undefined ? null : item.true_to_idea ? "The edit is true to the idea." : "The edit is not true to the idea.";
  return [
    h("div", { class: "case-head" }, heading,
      h("p", { class: "verdict" }, h("span", { class: `state ${item.state}` }, item.phase ? `${item.state}: ${item.phase}` : item.state),
        h("span", { class: "note" }, item.took))),
    h("div", { class: "columns" },
      h("div", null,
        section(item.placebo ? "Placebo" : "Idea", item.placebo && said(`No idea: ${item.placebo}. Its keep would be false.`),
          item.idea && !item.placebo && h("p", { class: "said idea", dir: "auto" }, item.idea),
          item.note && item.note !== item.idea && box(item.note, "idea")),
        section("Change", item.diff ? diff(item.diff) : null, item.diff_note && h("p", { class: "note" }, item.diff_note))),
      h("div", null,
        section("Decision", decision(item)),
        item.retro && section("Retro", said(item.retro), h("p", { class: "note" }, [faithful, trend].filter(Boolean).join(" ")),
          item.suggested && h("ul", { class: "told", "aria-label": "Suggested" }, item.suggested.map((one) => h("li", { dir: "auto" }, one)))),
        item.looks && section("Looks", looks(item)),
        item.stages && section("Stages", h("ul", { class: "gates" }, item.stages.map(([stage, passed, detail, seconds]) =>
          h("li", { class: passed ? null : "failure" }, h("b", null, passed ? "passed" : "failed"), " ", h("code", null, stage), " ",
            h("span", { dir: "auto" }, detail), h("span", { class: "note" }, ` ${figure(seconds, 1)} s`))))),
        item.log && section("Log", box(item.log, "log")),
        item.commit && section("In git", h("dl", { class: "facts hashes" },
          h("dt", null, "candidate"), h("dd", null, h("code", null, item.commit)),
          h("dt", null, "made from"), h("dd", null, h("code", null, item.parent)))))),
  ];
}

route();
