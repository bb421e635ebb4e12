// A case in two runs: both texts side by side, then both scores per criterion.

function view(item, heading) {
  const [candidate] = DATA.rubric.names;
  const side = (name, result) => h("section", { class: "part" },
    h("h3", null, h("b", { class: "tag" }, name), ` ${candidate}: `,
      result.quality === undefined ? result.state : DATA.grade ? `${result.quality} of 10` : reading(result),
      result.value !== undefined && h("span", { class: "note" }, ` value ${figure(result.value, 3)}`)),
    marked(result, `${candidate} ${name}`, name));
  return [
    h("div", { class: "case-head" }, heading,
      h("p", { class: "verdict" }, h("span", { class: `state ${item.state.replaceAll(" ", "-")}` }, item.state),
        h("span", { class: "note" }, [item.group && `group ${item.group}`, `${item.split} case`].filter(Boolean).join(" · ")))),
    h("div", { class: "columns" }, h("div", null, side("A", item.a)), h("div", null, side("B", item.b))),
    section("Criteria", CRITERIA.map((_, number) => both(item, number))),
    h("div", { class: "columns" }, h("div", null, given(item)), h("div", null, ends("A", item.a), ends("B", item.b))),
  ];
}

function both(item, number) {
  const { name, share: weight, floor, ask } = CRITERIA[number];
  const parts = [["A", item.a.criteria?.[number]], ["B", item.b.criteria?.[number]]];
  const [before, after] = parts.map(([, part]) => part?.score);
  const change = before === undefined || after === undefined ? "not compared" : Number((after - before).toFixed(2));
  const sign = typeof change === "number" && change > 0 ? "+" : "";
  return h("div", { class: "criterion" },
    h("div", { class: "criterion-head" },
      h("h4", { title: ask }, h("i", { class: `key c${number % 6}`, "aria-hidden": "true" }), name),
      h("b", { class: change > 0 ? "up" : change < 0 ? "down" : null }, typeof change === "number" ? `${sign}${figure(change)}` : change),
      h("span", { class: "note" }, `weight ${per_cent(weight)}`)),
    h("div", { class: "columns" }, parts.map(([run, part]) => h("div", null,
      h("div", { class: "criterion-head" }, h("b", { class: "tag" }, run),
        part?.score === undefined ? h("span", { class: "failure" }, part ? "unscored" : "not judged")
          : [bar(part.score, { spread: part.spread, floor, low: part.low }), h("span", { class: "score" }, h("b", null, figure(part.score)), with_spread(part)), raw(part)]),
      part && explained(part, number, run)))));
}

const ends = (name, result) => h("details", { class: "panel more" },
  h("summary", null, `More on ${name}: steps, arithmetic, what it took`), conclusion(result));

route();
