// Questions about what is stored, at /api/v1/ of blews.

// Why there is no answer. `kind`: "no_database", "lost", "slow", "busy", "unknown", "wrong", "login", "refused": whoever answers lets nobody ask.
export class Trouble extends Error {
  constructor(kind, detail = "") {
    super(detail);
    this.kind = kind;
  }
}

const NO_DATABASE = "blews was started without --db";
const KINDS = { 400: "wrong", 401: "login", 403: "refused", 404: "unknown", 405: "refused", 504: "slow" };  // others: "busy"

function troubleOf(status, detail) {
  if (status === 404 && detail.startsWith(NO_DATABASE)) return new Trouble("no_database", detail);
  const kind = status === 404 && detail === "" ? "refused" : KINDS[status] ?? "busy";  // blews says what it does not know
  return new Trouble(kind, kind === "refused" ? `${status} ${detail}`.trim() : detail);
}

const SOON_MS = 10_000, LATER_MS = 60_000, LONGEST_MS = 10 * 60_000;

// How long to wait after so many failures in a row before the same is asked again; null: until somebody wants it, or blews was started anew.
export function pause(kind, failures) {
  const first = { lost: SOON_MS, busy: SOON_MS, slow: LATER_MS, unknown: LATER_MS }[kind];
  return first === undefined ? null : Math.min(LONGEST_MS, first * 2 ** (failures - 1));
}

async function detailOf(reply) {
  try {
    return String((await reply.json()).detail ?? "");
  } catch {
    return "";
  }
}

// {rows, more: are there further ones?, deleted: are they being deleted, and so only a part?, listened: did anybody listen, where there are no rows}. Throws Trouble, or the signal's reason.
export async function ask(question, asked = {}, signal = undefined) {
  const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value));
  let reply;
  try {
    reply = await fetch(`api/v1/${question}?${query}`, { cache: "no-cache", redirect: "manual", signal });
  } catch (error) {
    throw signal?.aborted ? error : new Trouble("lost");
  }
  if (reply.type === "opaqueredirect" || reply.status === 401) {
    location.assign("login");
    throw new Trouble("login");
  }
  if (!reply.ok) throw troubleOf(reply.status, await detailOf(reply));
  try {
    const { rows, more, deleted, why_empty: why } = await reply.json();
    return { rows, more: Boolean(more), deleted: Boolean(deleted), listened: !(why ?? "").startsWith("nobody listened") };
  } catch (error) {
    throw signal?.aborted ? error : new Trouble("lost");
  }
}
