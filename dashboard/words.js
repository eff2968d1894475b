// What the page says, in the language of the browser or as chosen. tests/browser looks that all languages have the same entries.
import { en } from "./words_en.js";
import { es } from "./words_es.js";

export const languages = { en, es };

const kept = "blepipe.language";

// A browser may refuse its storage: the choice then holds for this page alone.
function remembered() {
  try {
    return localStorage.getItem(kept);
  } catch {
    return null;
  }
}

const asked = [remembered(), ...(navigator.languages ?? [navigator.language])].map((tag) => tag?.slice(0, 2));
export let language = asked.find((tag) => Object.hasOwn(languages, tag ?? "")) ?? "en";

// With the region of the browser where it is of the same language: times and numbers as its user writes them.
export function locale() {
  return navigator.languages?.find((tag) => tag.startsWith(language)) ?? language;
}

export function chooseLanguage(tag) {
  language = tag;
  try {
    localStorage.setItem(kept, tag);
  } catch {
    // it holds until the page is left
  }
}

export function t(key, values = {}) {
  let text = languages[language][key];
  if (Array.isArray(text)) text = text[new Intl.PluralRules(language).select(values.n) === "one" ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (_, name) => typeof values[name] === "number" ? number(values[name]) : String(values[name]));
}

export function number(value) {
  return new Intl.NumberFormat(locale()).format(value);
}
