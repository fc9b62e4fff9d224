// Asks the service, reads what stands round an answer, and knows the words of errors.

/** Seconds after which a request is given up. */
export const PATIENCE = 30;
/**
 * The most that an answer is obeyed in not asking, in seconds: one of a proxy may
 * have any number in it, and timers end at once from 25 days on.
 */
const LONGEST_PAUSE = 3600;

/** The words of each error, by its code: from the table at `/problems`. */
const errors = new Map();

/** Ends what is being asked. */
export let asking = new AbortController();

/** The visitor may not ask: any more (401), or so often (429). */
export class Refused extends Error {
  constructor(answer) {
    super(`${answer.status}`);
    this.isForGood = answer.status === 401;
    this.retryAfter = retryAfter(answer);
  }
}

/**
 * Asks the service, until `signal`. Throws where it cannot be reached, and `Refused`.
 * Returns the answer and its content, which is null where it is not JSON: a proxy's
 * page may come.
 */
export async function ask(path, signal) {
  const answer = await fetch(path, {
    headers: { accept: "application/json" },
    signal: AbortSignal.any([AbortSignal.timeout(PATIENCE * 1000), signal]),
  });
  signal.throwIfAborted();
  if (answer.status === 401 || answer.status === 429) throw new Refused(answer);
  const text = await answer.text();
  // It may have come whole before the end.
  signal.throwIfAborted();
  return { answer, content: parsed(text) };
}

/**
 * `sms_count` is a string in it, of the digits that were sent: the number 7.50 would
 * be written as 7.5.
 */
function parsed(text) {
  try {
    return JSON.parse(text, (key, value, context) => {
      // Older browsers do not tell how a number was written.
      return key === "sms_count" ? (context?.source ?? String(value)) : value;
    });
  } catch {
    return null;
  }
}

/** The content as an error of the service, or null where it is of somebody else. */
export function problemIn(content) {
  const isOne = typeof content?.code === "string" && typeof content.title === "string";
  return isOne ? content : null;
}

/** Whether the content has a balance, and from when it is. */
export function isBalance(content) {
  return typeof content?.balance_text === "string" && !Number.isNaN(Date.parse(content.as_of));
}

/** Takes the words of an error over. */
export function note(row) {
  errors.set(row.code, row);
}

/**
 * Asks for the words of errors where it is not known what `code` means. Where they are
 * not to be had that is no reason to do without what they are about.
 */
export async function learn(code, signal) {
  if (!code || errors.has(code)) return;
  try {
    const { content } = await ask("/problems", signal);
    for (const row of Array.isArray(content) ? content : []) note(row);
  } catch {
    signal.throwIfAborted();
  }
}

/** The words of the error `code`: where they are not known, itself. */
export function errorOf(code) {
  return errors.get(code) ?? { title: code, detail: "" };
}

/** Seconds before which nothing is wanted: 0 where that is not said. */
export function retryAfter({ headers }) {
  const text = headers.get("retry-after") ?? "";
  // Or a date, by the clock of whoever has sent it (RFC 9110 section 10.2.3).
  const date = headers.has("date") ? Date.parse(headers.get("date")) : Date.now();
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - date) / 1000;
  return obeyable(seconds);
}

/** So much of a pause as is obeyed. */
export function obeyable(seconds) {
  return Math.min(Math.max(seconds || 0, 0), LONGEST_PAUSE);
}

export function stopAsking() {
  asking.abort();
  asking = new AbortController();
}

/** A parameter of `Cache-Status` (RFC 9211). */
export function cacheStatus(answer, name) {
  const parameters = (answer.headers.get("cache-status") ?? "").split(";");
  const found = parameters.map((text) => text.trim().split("=")).find(([known]) => known === name);
  return found?.[1];
}
