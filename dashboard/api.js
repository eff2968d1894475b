// Questions about what is stored, at /api/v1/ of blews.

// Why there is no answer. `kind`: "no_database", "lost", "slow", "busy", "unknown", "wrong", "login".
export class Trouble extends Error {
  constructor(kind, detail = "") {
    super(detail);
    this.kind = kind;
  }
}

const NO_DATABASE = "blews was started without --db";
const KINDS = { 400: "wrong", 401: "login", 404: "unknown", 429: "busy", 503: "busy", 504: "slow" };

async function detailOf(reply) {
  try {
    return String((await reply.json()).detail ?? "");
  } catch {
    return "";
  }
}

// {rows, more: are there further ones?, listened: did anybody listen, where there are no rows}. Throws Trouble, or the signal's reason.
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
  if (!reply.ok) {
    const detail = await detailOf(reply);
    throw new Trouble(reply.status === 404 && detail.startsWith(NO_DATABASE) ? "no_database" : KINDS[reply.status] ?? "busy", detail);
  }
  try {
    const { rows, more, why_empty: why } = await reply.json();
    return { rows, more: Boolean(more), listened: !(why ?? "").startsWith("nobody listened") };
  } catch (error) {
    throw signal?.aborted ? error : new Trouble("lost");
  }
}
