// One row opened: the pieces that every view is made of, and the way in and out.

const figure = (number, digits = 2) => (number === null || number === undefined ? "–"
  : String(Number(number.toFixed(digits))).replace("-", "−"));
const per_cent = (part) => `${Number((100 * part).toFixed(1))} %`;
const section = (title, ...children) => h("section", { class: "part" }, h("h3", null, title), ...children);
const said = (text, name = "said") => h("p", { class: name, dir: "auto" }, text);

function box(text, label, children) {
  return h("div", { class: is_code(text) ? "text code" : "text", dir: "auto", tabindex: "0", role: "region", "aria-label": label },
    children ?? text);
}

function navigation(index) {
  const among = visible.includes(index) ? visible : order;
  const at = among.indexOf(index);
  const step = (name, to) => (to === undefined ? h("span", { class: "off" }, name)
    : h("a", { href: address(to), rel: name === "Previous" ? "prev" : "next" }, name));
  return h("nav", { class: "steps-nav", "aria-label": `${NOUN[0].toUpperCase()}${NOUN.slice(1)}s` },
    h("a", { href: "#cases", rel: "up" }, `All ${NOUN}s`), step("Previous", among[at - 1]), step("Next", among[at + 1]),
    h("span", { class: "note" }, `${(at + 1).toLocaleString("en")} of ${among.length.toLocaleString("en")}`),
    h("span", { class: "note keys" }, "keys: ← → Esc"));
}

// In and out: the address names the case, so that Back works and a case can be linked to.

const title = document.title;
let scrolled = 0;
let open = -1;

function named() {
  const match = /^#case=(.*)$/s.exec(location.hash);
  if (!match) return null;
  try { return decodeURIComponent(match[1]); } catch { return match[1]; }
}

function route() {
  const id = named();
  const index = id === null ? -1 : BY_ID.get(id) ?? -1;
  if (index >= 0) {
    if (open < 0) scrolled = scrollY;
    const item = DATA.cases[index];
    const heading = h("h2", { tabindex: "-1" }, h("bdi", null, item.id));
    $("case").replaceChildren(navigation(index), ...view(item, heading).filter(Boolean));
    document.title = `${item.id} – ${title}`;
    open = index;
    $("overview").hidden = true;
    $("case").hidden = false;
    scrollTo(0, 0);
    heading.focus({ preventScroll: true });
    return;
  }
  const came = open;
  open = -1;
  document.title = title;
  $("case").hidden = true;
  $("case").replaceChildren();
  $("overview").hidden = false;
  if (id !== null) $("shown").textContent = `This report has no ${NOUN} named ${id}.`;
  if (came >= 0 && location.hash === "#cases") {
    scrollTo(0, scrolled);
    rows[came].querySelector("a").focus({ preventScroll: true });
    rows[came].scrollIntoView({ block: "nearest" });
  }
}

addEventListener("hashchange", route);
addEventListener("keydown", (event) => {
  if (open < 0 || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const to = { Escape: "up", ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = to && document.querySelector(`.steps-nav a[rel=${to}]`);
  const scrolls = event.target.scrollWidth > event.target.clientWidth && event.target !== document.body;
  if (!link || (to !== "up" && scrolls)) return;
  event.preventDefault();
  link.click();
});
