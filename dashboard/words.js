// What the page says, in each language. [one, other]: by the number `n`. tests/browser looks that all have the same entries.

export const languages = {
  en: {
    "language": "English",
    "skip": "Skip to the content",
    "views": "Views",
    "choose_language": "Language",
    "now": "Now",
    "live": "Live",

    "state.connecting": "connecting",
    "state.nothing_yet": "connected, nothing heard yet",
    "state.quiet": "connected, nothing for {span}",
    "state.receiving": "receiving, last {span} ago",
    "state.lagged": "too slow, {n} missed",
    "state.lost": "no connection",
    "say.connecting": "Connecting",
    "say.nothing_yet": "Connected. Nothing has been heard yet.",
    "say.quiet": "Connected, but nothing is coming.",
    "say.receiving": "Receiving",
    "say.lagged": "This page is too slow and misses events.",
    "say.lost": "The connection is lost.",
    "banner.lost": "No connection since {time}. What you see is from before. Next try in {span}.",
    "banner.never": "The server cannot be reached. Next try in {span}.",
    "banner.lagged": ["This page was too slow: {n} event is missing here, and only here.",
                      "This page was too slow: {n} events are missing here, and only here."],

    "foot.events": "events",
    "foot.rate": "detections / s",
    "foot.missed": "missed here",
    "foot.viewers": "viewers",
    "foot.zone": "times in",

    "ago": "{span} ago",
    "unknown": "–",
    "near": "near",
    "medium": "medium",
    "far": "far",

    "now.summary": ["{n} Pi", "{n} Pis"],
    "now.listening": "listening",
    "now.late": "late",
    "now.silent": "silent",
    "now.behind": "catching up",
    "now.unknown": "not known",
    "now.unknown_why": "not heard since you opened this page; before that its clock was not set",
    "now.heard": "heard {ago}",
    "now.since": "silent since {time} ({span})",
    "now.behind_by": "its newest batch is {span} old",
    "now.advertisers": "advertisers",
    "now.strongest": "strongest",
    "now.listens": "listens",
    "now.listens_of": "{window} of {interval}",
    "now.clock": "clock",
    "now.clock.synced": "set",
    "now.clock.unsynced": "not set",
    "now.lost": ["{n} batch lost ({reason})", "{n} batches lost ({reason})"],
    "now.two_at_once": "two run under this name",
    "now.hour": "Advertisers in the last hour, as far as this page has seen: {n} of 60 minutes known, at most {most}",
    "now.hour_title": "The lines: advertisers in each minute of the last hour, as far as this page has seen it (open since {time}). Where there is no line, nothing is known.",
    "now.places": "Places",
    "now.place": "place",
    "now.no_place": "no place told",
    "now.pis": "Pis listening",
    "now.places_note": "Each advertiser counts once, where it is heard strongest. Silent Pis do not count.",
    "now.pis_title": "Pis",
    "now.silent_list": "Silent: {names}",
    "now.all_well": "All are listening.",
    "empty.title": "No Pi has sent anything yet.",
    "empty.why": "This page is connected to blews, but blews has been given no batch since it was started.",
    "empty.pi": "On a Pi, send what it hears to the broker:",
    "empty.server": "On this server, bring it from the broker to the database and to this page:",
    "empty.replay": "Without a Pi, try a recording:",
    "empty.doctor": "Does a Pi hear nothing? Ask it what is missing:",
    "wait.connecting": "Connecting to the server …",
    "wait.lost": "There is no connection to the server, so nothing is known. Is blews running?",

    "live.search": "search: words of Pi, place, name, hash, zone, beacon",
    "live.pi": "Pi",
    "live.any_pi": "all Pis",
    "live.zone": "zone",
    "live.any_zone": "all zones",
    "live.pause": "Pause",
    "live.go_on": "Go on",
    "live.newer": ["{n} newer", "{n} newer"],
    "live.top": "Show the newest",
    "live.time": "time",
    "live.place": "place",
    "live.advertiser": "advertiser",
    "live.rssi": "RSSI",
    "live.count": "count",
    "live.list": "Detections, newest first",
    "live.kept": ["{n} detection", "{n} detections"],
    "live.kept_of": "{n} of {all} detections",
    "live.kept_since": "kept since {time}; at most {minutes} min and {most}",
    "live.none_match": "None of the {n} detections kept here match.",
    "live.none": "Pis have reported, but no advertiser among what they sent.",
    "live.picked": "Advertiser",
    "live.only": "Show only this one",
    "live.unpick": "Close",
    "live.heard_by": "heard by",
    "live.gaps": "Losses, and two of one name",
    "live.gap": "{pi}: batches {from} to {to} lost ({reason})",
    "live.two_at_once": "{pi}: two at once have this name",
  },
  es: {
    "language": "Español",
    "skip": "Ir al contenido",
    "views": "Vistas",
    "choose_language": "Idioma",
    "now": "Ahora",
    "live": "En vivo",

    "state.connecting": "conectando",
    "state.nothing_yet": "conectado, aún no se oye nada",
    "state.quiet": "conectado, nada desde hace {span}",
    "state.receiving": "recibiendo, último hace {span}",
    "state.lagged": "demasiado lento, {n} perdidos",
    "state.lost": "sin conexión",
    "say.connecting": "Conectando",
    "say.nothing_yet": "Conectado. Aún no se ha oído nada.",
    "say.quiet": "Conectado, pero no llega nada.",
    "say.receiving": "Recibiendo",
    "say.lagged": "Esta página es demasiado lenta y pierde eventos.",
    "say.lost": "Se perdió la conexión.",
    "banner.lost": "Sin conexión desde {time}. Lo que se ve es de antes. Próximo intento en {span}.",
    "banner.never": "No se puede llegar al servidor. Próximo intento en {span}.",
    "banner.lagged": ["Esta página fue demasiado lenta: {n} evento falta aquí, y solo aquí.",
                      "Esta página fue demasiado lenta: {n} eventos faltan aquí, y solo aquí."],

    "foot.events": "eventos",
    "foot.rate": "detecciones / s",
    "foot.missed": "perdidos aquí",
    "foot.viewers": "mirando",
    "foot.zone": "hora de",

    "ago": "hace {span}",
    "unknown": "–",
    "near": "cerca",
    "medium": "medio",
    "far": "lejos",

    "now.summary": ["{n} Pi", "{n} Pis"],
    "now.listening": ["escucha", "escuchan"],
    "now.late": "con retraso",
    "now.silent": "en silencio",
    "now.behind": "poniéndose al día",
    "now.unknown": "no se sabe",
    "now.unknown_why": "no se ha oído desde que abrió esta página; antes, su reloj no estaba en hora",
    "now.heard": "oído {ago}",
    "now.since": "en silencio desde {time} ({span})",
    "now.behind_by": "su lote más nuevo es de hace {span}",
    "now.advertisers": "emisores",
    "now.strongest": "el más fuerte",
    "now.listens": "escucha",
    "now.listens_of": "{window} de {interval}",
    "now.clock": "reloj",
    "now.clock.synced": "en hora",
    "now.clock.unsynced": "sin hora",
    "now.lost": ["{n} lote perdido ({reason})", "{n} lotes perdidos ({reason})"],
    "now.two_at_once": "dos usan este nombre",
    "now.hour": "Emisores en la última hora, hasta donde esta página ha visto: {n} de 60 minutos conocidos, como máximo {most}",
    "now.hour_title": "Las líneas: emisores en cada minuto de la última hora, hasta donde esta página ha visto (abierta desde {time}). Donde no hay línea, no se sabe nada.",
    "now.places": "Lugares",
    "now.place": "lugar",
    "now.no_place": "lugar no indicado",
    "now.pis": "Pis que escuchan",
    "now.places_note": "Cada emisor cuenta una vez, donde se oye más fuerte. Los Pis en silencio no cuentan.",
    "now.pis_title": "Pis",
    "now.silent_list": "En silencio: {names}",
    "now.all_well": "Todos escuchan.",
    "empty.title": "Ningún Pi ha enviado nada todavía.",
    "empty.why": "Esta página está conectada a blews, pero blews no ha recibido ningún lote desde que arrancó.",
    "empty.pi": "En un Pi, envíe al broker lo que oye:",
    "empty.server": "En este servidor, llévelo del broker a la base de datos y a esta página:",
    "empty.replay": "Sin un Pi, pruebe con una grabación:",
    "empty.doctor": "¿Un Pi no oye nada? Pregúntele qué falta:",
    "wait.connecting": "Conectando con el servidor …",
    "wait.lost": "No hay conexión con el servidor; por eso no se sabe nada. ¿Está blews en marcha?",

    "live.search": "buscar: palabras de Pi, lugar, nombre, hash, zona, baliza",
    "live.pi": "Pi",
    "live.any_pi": "todos los Pis",
    "live.zone": "zona",
    "live.any_zone": "todas las zonas",
    "live.pause": "Pausa",
    "live.go_on": "Seguir",
    "live.newer": ["{n} más nuevo", "{n} más nuevos"],
    "live.top": "Ver lo más nuevo",
    "live.time": "hora",
    "live.place": "lugar",
    "live.advertiser": "emisor",
    "live.rssi": "RSSI",
    "live.count": "n.º",
    "live.list": "Detecciones, primero las más nuevas",
    "live.kept": ["{n} detección", "{n} detecciones"],
    "live.kept_of": "{n} de {all} detecciones",
    "live.kept_since": "guardadas desde {time}; como máximo {minutes} min y {most}",
    "live.none_match": "Ninguna de las {n} detecciones guardadas aquí coincide.",
    "live.none": "Los Pis han informado, pero no había ningún emisor en lo que enviaron.",
    "live.picked": "Emisor",
    "live.only": "Ver solo este",
    "live.unpick": "Cerrar",
    "live.heard_by": "lo oyen",
    "live.gaps": "Pérdidas, y dos con un mismo nombre",
    "live.gap": "{pi}: lotes {from} a {to} perdidos ({reason})",
    "live.two_at_once": "{pi}: dos a la vez usan este nombre",
  },
};

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
