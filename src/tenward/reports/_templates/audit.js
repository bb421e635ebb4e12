// Pairs one at a time; answers leave the page as a file. Which side is which is not in this page.

const cards = [...document.querySelectorAll("[data-pair]")];
const STORED = `tenward-human-check-${DATA.pairs[0]}`;
const passed = new Set();
let at = 0;

const sides = (card) => [...card.querySelectorAll("[data-side]")];
const scored = (side) => Number(side.querySelector("input:checked")?.value ?? 0);
const scores = (card) => sides(card).map(scored);
const complete = (card) => scores(card).every(Boolean);
const done = (card) => complete(card) || passed.has(card.dataset.pair);

function answers() {
  const found = {};
  for (const card of cards) {
    if (complete(card)) found[card.dataset.pair] = scores(card);
    else if (passed.has(card.dataset.pair)) found[card.dataset.pair] = null;
  }
  return { human_check: 1, loop: DATA.loop, answers: found };
}

function tell() {
  const given = cards.filter(complete).length;
  const left = cards.length - cards.filter(done).length;
  $("where").textContent = `${at + 1} of ${cards.length}, ${left ? `${left} to go` : "all answered"}`;
  $("progress").value = cards.length - left;
  $("previous").disabled = at === 0;
  $("next").disabled = at === cards.length - 1;
  $("count").textContent = `${given} scored, ${passed.size} passed, ${left} to go.`;
  $("answers").value = JSON.stringify(answers(), null, 1);
  for (const card of cards) {
    card.querySelector(".pass").setAttribute("aria-pressed", String(passed.has(card.dataset.pair)));
    card.querySelector(".onward").textContent = card === cards.at(-1) ? "Done" : "Next pair";
  }
  try { localStorage.setItem(STORED, $("answers").value); } catch { /* a browser may keep nothing for files */ }
}

function show(index, focus = true) {
  at = Math.max(0, Math.min(cards.length - 1, index));
  cards.forEach((card, place) => { card.hidden = place !== at; });
  tell();
  if (!focus) return;
  scrollTo(0, $("cases").offsetTop - 60);
  cards[at].querySelector("h2").focus({ preventScroll: true });
}

function onward() {
  if (at < cards.length - 1) { show(at + 1); return; }
  $("download").scrollIntoView({ block: "center" });
  $("download").focus({ preventScroll: true });
}

function mark(side, score) {
  side.querySelector(`input[value="${score}"]`).checked = true;
  passed.delete(cards[at].dataset.pair);
  tell();
}

function clear(card) {
  card.querySelectorAll("input:checked").forEach((input) => { input.checked = false; });
}

function pass(card) {
  const token = card.dataset.pair;
  if (passed.delete(token)) { tell(); return; }
  passed.add(token);
  clear(card);
  tell();
  onward();
}

function restore() {
  let kept;
  try { kept = JSON.parse(localStorage.getItem(STORED))?.answers; } catch { return; }
  for (const card of cards) {
    const found = kept?.[card.dataset.pair];
    if (found === null) passed.add(card.dataset.pair);
    else if (found) sides(card).forEach((side, place) => {
      const input = side.querySelector(`input[value="${Number(found[place])}"]`);
      if (input) input.checked = true;
    });
  }
}

for (const card of cards) {
  card.addEventListener("change", () => { passed.delete(card.dataset.pair); tell(); });
  card.querySelector(".onward").addEventListener("click", onward);
  card.querySelector(".pass").addEventListener("click", () => pass(card));
}
$("previous").addEventListener("click", () => show(at - 1));
$("next").addEventListener("click", () => show(at + 1));
$("download").addEventListener("click", () => {
  const url = URL.createObjectURL(new Blob([$("answers").value], { type: "application/json" }));
  h("a", { href: url, download: `${DATA.loop}-answers.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
});

addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("textarea")) return;
  const card = cards[at];
  const on_radio = event.target.matches("input");
  const on_button = event.target.matches("button, summary");
  const scrolls = event.target.matches(".text") && event.target.scrollWidth > event.target.clientWidth;
  let act;
  if (/^[0-9]$/.test(event.key)) {
    const own = on_radio ? event.target.closest("[data-side]") : null;
    const side = own ?? sides(card).find((one) => !scored(one));
    act = side && (() => mark(side, event.key === "0" ? 10 : Number(event.key)));
  } else if (event.key === "Enter" && !on_button) act = onward;
  else if (event.key === "Backspace") act = () => { clear(card); passed.delete(card.dataset.pair); tell(); };
  else if (event.key.toLowerCase() === "s") act = () => pass(card);
  else if (event.key === "ArrowRight" && !on_radio && !scrolls && at < cards.length - 1) act = () => show(at + 1);
  else if (event.key === "ArrowLeft" && !on_radio && !scrolls && at) act = () => show(at - 1);
  if (!act) return;
  event.preventDefault();
  act();
});

for (const box of document.querySelectorAll(".blind .text")) box.classList.toggle("code", is_code(box.textContent));
restore();
show(Math.max(0, cards.findIndex((card) => !done(card))), false);
