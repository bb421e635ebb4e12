"use strict";
// What every page needs: elements made of text, never of markup, and the theme.

document.documentElement.classList.add("js");
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const is_code = (text) => /^(?:@@ |diff --git |[+-]{3} |\t| {2,}\S|#!)/m.test(text);

/** An element with attributes and children; strings become text, and what is empty is left out. */
function h(tag, attributes, ...children) {
  const svg = tag.startsWith("svg:");
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  const kept = children.flat(9).filter((child) => child !== null && child !== undefined && child !== false && child !== "");
  node.append(...kept.map((child) => (child instanceof Node ? child : String(child))));
  return node;
}

// Theme: the system's, until the button says otherwise. Nothing is stored.

const THEMES = ["system", "light", "dark"];
$("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % THEMES.length];
  document.documentElement.dataset.theme = next;
  $("theme").textContent = `Theme: ${next}`;
});
