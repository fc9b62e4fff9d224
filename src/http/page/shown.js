// What is known, and how it is put on the page.
//
// The words are in page.html: this file says which of them are so, as the server
// did before it (src/http/page/view.rs).

import { now, passed, span } from "./time.js";
import { setText, setTime, tell } from "./words.js";

/** What a figure is called that is not fresh. */
const MARKS = { renewing: "Renewing", unconfirmed: "Unconfirmed", stale: "Old", expired: "Old" };

/** For how many seconds past its time a figure is no sign of trouble: D7 is being asked. */
const RENEWAL = 5;

/** What each `data-when` asks about, where it is not on the body. */
export const NOTHING = { messages: "", held: "", past: "", token: "" };
export const states = { ...NOTHING };

export const known = {
  /**
   * The balance that is shown: `{ text, messages, asOf, age, ttl, since }`. The service
   * told age and ttl after `since`, when it was asked: they count from then, so that no
   * figure passes for younger than it is (RFC 9111 section 4.2.3). `messages` is how many
   * it is good for, empty where D7 does not count them. `wasFresh` says whether it was
   * shown as fresh.
   */
  balance: null,
  /** Why it is not newer, in words. */
  reason: "",
  /** When the next look is due, on `now()`. */
  due: Infinity,
};

/**
 * Puts on the page what is so. Called once a second, too, and thus while an answer is
 * waited for: what is noted of one answer has to be all that it tells. Nothing else puts
 * a balance on the page, so that no figure stands beside the state of another one.
 */
export function show() {
  const { dataset } = document.body;
  tickBalance();
  showBalance();
  for (const [name, word] of Object.entries(states)) {
    if (name in dataset) dataset[name] = word;
  }
  for (const element of document.querySelectorAll("[data-when]")) {
    const [name, words] = element.dataset.when.split("=");
    const isSo = words.split(" ").includes(states[name]);
    if (element.hidden === isSo) element.hidden = !isSo;
  }
  const wait = known.due - now();
  if (wait < Infinity) setText("retry", wait < 1 ? "now" : `in ${span(Math.ceil(wait))}`);
  const title = `${titleWords()} – d7-balance`;
  if (document.title !== title) document.title = title;
  tell(newsWords());
}

/** The balance with its age, which decides by itself when it is old. */
function tickBalance() {
  if (!known.balance) {
    setText("age", "");
    setText("reason", known.reason || "The first one is on its way.");
    return;
  }
  const left = timeLeft();
  const isFresh = states.freshness === "fresh" && left >= 0;
  if (isFresh) known.balance.wasFresh = true;
  else if (left < 0 && states.freshness !== "expired") states.freshness = isBeingRenewed(left) ? "renewing" : "stale";
  let outlook = isFresh ? `, fresh for ${span(left)}` : "";
  if (left < 0) outlook = `, past its time by ${span(-left)}`;
  setText("age", `${span(known.balance.age + passed(known.balance.since))} old${outlook}`);
  setText("reason", isFresh ? "" : known.reason || "A newer one is on its way.");
}

/** Whether all is well with a figure that was fresh here a moment ago, but for its successor. */
function isBeingRenewed(left) {
  const isSoon = known.balance.wasFresh && left > -RENEWAL;
  return isSoon && states.link === "live" && !known.reason && !document.hidden;
}

/** The service does not say any more that the balance is fresh: it may be, and it may not. */
export function doubt() {
  if (states.freshness === "fresh") states.freshness = "unconfirmed";
}

/** For how many seconds the balance is fresh. */
export function timeLeft() {
  return known.balance.ttl - passed(known.balance.since);
}

function showBalance() {
  states.messages = known.balance?.messages ? "told" : "";
  if (!known.balance) return;
  setText("balance", known.balance.text);
  setText("messages", known.balance.messages);
  setTime("as_of", known.balance.asOf);
  const { length } = known.balance.text;
  const amount = document.querySelector('[data-text="balance"]');
  amount.dataset.length = length <= 12 ? "short" : length <= 32 ? "long" : "longest";
}

function titleWords() {
  if (states.visitor !== "signed-in") return "Sign in";
  if (!known.balance) return states.link === "limited" ? "Asking too often" : "No balance yet";
  return states.freshness === "fresh" ? known.balance.text : `${MARKS[states.freshness]}: ${known.balance.text}`;
}

/** What a screen reader is told where it changes: the balance and its state, no ticks. */
function newsWords() {
  // The words beside the form are an alert of their own.
  if (states.visitor !== "signed-in") return "";
  const link = { offline: "The service cannot be reached.", limited: "Asking too often." }[states.link];
  const words = [link, balanceWords()];
  // The link says why, where it is to blame.
  if (!link && states.freshness !== "fresh") words.push(known.reason);
  return words.filter(Boolean).join(" ");
}

function balanceWords() {
  if (!known.balance) return "No balance yet.";
  const mark = states.freshness === "fresh" ? "" : `, ${MARKS[states.freshness].toLowerCase()}`;
  return `Balance ${known.balance.text}${mark}.`;
}
