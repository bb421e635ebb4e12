// A case of one run: texts on the left, what the judge said on the right.

function view(item, heading) {
  const [candidate] = DATA.rubric.names;
  const facts = [
    item.value !== undefined && item.value !== null && `value ${figure(item.value, 3)}`,
    item.group && `group ${item.group}`,
    `${item.split} case`,
  ].filter(Boolean).join(" · ");
  const rated = Object.entries(item.human ?? {}).filter(([name]) => !CRITERIA.some((criterion) => criterion.name === name));
  return [
    h("div", { class: "case-head" }, heading,
      h("p", { class: "verdict" },
        item.quality !== undefined && (DATA.grade ? h("strong", null, `${item.quality} of 10`) : h("span", null, reading(item))),
        h("span", { class: `state ${item.state.replace(" ", "-")}` }, item.state),
        h("span", { class: "note" }, facts))),
    h("div", { class: "columns" },
      h("div", null,
        section(candidate[0].toUpperCase() + candidate.slice(1), marked(item, candidate, "run")),
        given(item)),
      h("div", null,
        item.criteria ? section("Criteria", item.criteria.map((part, number) => criterion(part, number, item)))
          : h("p", { class: "failure" }, "A gate failed, so no model was asked and there is no score."),
        rated.length > 0 && section("Human ratings", h("dl", { class: "facts" }, rated.map(([name, rating]) => [h("dt", null, name), h("dd", null, figure(rating))]))),
        conclusion(item))),
  ];
}

function criterion(part, number, item) {
  const { name, share: weight, floor, ask } = CRITERIA[number];
  const human = item.human?.[name];
  return h("div", { class: "criterion" },
    h("div", { class: "criterion-head" },
      h("h4", { title: ask }, h("i", { class: `key c${number % 6}`, "aria-hidden": "true" }), name),
      part.score === undefined ? h("span", { class: "failure" }, "unscored")
        : [bar(part.score, { spread: part.spread, floor, low: part.low }), h("span", { class: "score" }, h("b", null, figure(part.score)), with_spread(part)), raw(part)],
      h("span", { class: "note" }, `weight ${per_cent(weight)}${human === undefined ? "" : ` · human ${figure(human)}`}`)),
    explained(part, number, "run"));
}

route();
