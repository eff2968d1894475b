// Elements, built without markup: what comes from outside is only ever text.

// h("td", {class: "number", title: "…", on: {click: f}}, "text", element…); a property that is undefined or false is left out.
export function h(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

export function svg(name, properties = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

// A command that can be copied as a whole.
export const command = (text) => h("pre", { tabindex: "0" }, h("code", {}, text));

export const card = (title, ...children) => h("section", { class: "card" }, h("h2", {}, title), ...children);
export const note = (text) => h("p", { class: "note" }, text);

// Where words are typed to search for.
export const searchField = (id, label, value, on = {}) =>
  h("input", { type: "search", id, placeholder: label, "aria-label": label, autocomplete: "off", spellcheck: "false", value, on });

// Both write only what has changed: a selection stands as long as the text under it does.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
