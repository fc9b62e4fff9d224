// Keeps the page up to date.
//
// It asks what every caller asks: `/balance` in fetch's default cache mode, so
// that the browser revalidates by itself; `/status` for what stands behind it;
// `/history` for what is new in it. The words are in page.html, and shown.js puts
// on the page which of them are so.

import {
  ask, asking, cacheStatus, errorOf, isBalance, learn, note, obeyable, PATIENCE, problemIn, Refused, retryAfter, stopAsking,
} from "./asking.js";
import { Chart } from "./chart.js";
import { doubt, known, NOTHING, show, states, timeLeft } from "./shown.js";
import { arrival, mark, now, wording } from "./time.js";
import { setText, setTime, times } from "./words.js";

/** Seconds between two looks, where the service asks for nothing longer. */
const SOONEST = 1;
const LATEST = 60;
/** The most between two looks where the service cannot be reached. */
const LATEST_IN_VAIN = 15;
/** A page may stay open for months. */
const MOST_SAMPLES = 10_000;

/** Where values stand, which are the account's. */
const PLACES = "[data-text], [data-time]";

const body = document.body;
const chart = new Chart();

/** When the service itself last answered: a proxy may answer in its place. */
let heard;
/** Before when no look is allowed, on `now()`. */
let notBefore = 0;
let timer;
let isLooking = false;
/** How many looks in a row have brought nothing newer. */
let inVain = 0;
/** What is charted, oldest first. */
let samples = [];

// ---- Asking -----------------------------------------------------------------

/** How long to wait where nothing is wanted for `after` seconds; else `wait`. */
function obeyed(after, wait) {
  if (after === 0) return wait;
  notBefore = now() + after;
  return Math.max(after, SOONEST);
}

/** Looks for what is new, shows it, and sees to the next look. */
async function look() {
  if (isLooking || document.hidden || states.visitor !== "signed-in") return;
  isLooking = true;
  clearTimeout(timer);
  // One for all that it asks: what has ended must not go on with the next one's.
  const { signal } = asking;
  let wait;
  try {
    wait = await lookOnce(signal);
  } catch (error) {
    inVain += 1;
    wait = lookedInVain(error, signal);
  }
  isLooking = false;
  if (states.visitor === "signed-in") lookIn(wait);
  show();
}

/** What a look means that has failed with `error`. Returns when the next one is due. */
function lookedInVain(error, signal) {
  if (signal.aborted) return LATEST;
  if (error instanceof Refused && error.isForGood) {
    leave("ended");
    return LATEST;
  }
  if (error instanceof Refused) {
    states.link = "limited";
    known.reason = "Your team’s limit is reached.";
    return obeyed(error.retryAfter, backedOff());
  }
  states.link = "offline";
  doubt();
  known.reason = "The service cannot be reached.";
  setTime("seen", heard);
  return Math.min(backedOff(), LATEST_IN_VAIN);
}

function lookIn(seconds) {
  known.due = now() + seconds;
  clearTimeout(timer);
  if (document.hidden) rest();
  else timer = setTimeout(look, seconds * 1000);
}

/**
 * Of a tab that nobody looks at, the title is still to be seen: it grows old in time.
 * A timer stands still while the machine sleeps, so that none is long.
 */
function rest() {
  clearTimeout(timer);
  if (states.freshness !== "fresh") return;
  const wait = Math.min(Math.max(timeLeft() + 0.1, 0), LATEST);
  timer = setTimeout(() => {
    show();
    rest();
  }, wait * 1000);
}

/** Ends the look that runs, and the wait for the next one. */
function stopLooking() {
  clearTimeout(timer);
  stopAsking();
}

/** Twice as long each time that nothing newer has come. */
function backedOff() {
  return Math.min(SOONEST * 2 ** Math.max(inVain - 1, 0), LATEST);
}

function bounded(seconds) {
  return Math.min(Math.max(seconds, SOONEST), LATEST);
}

/** One look. Returns after how many seconds the next one is due. */
async function lookOnce(signal) {
  const since = mark();
  const { answer, content } = await ask("/balance", signal);
  if (answer.ok && isBalance(content)) {
    heard = new Date();
    const code = cacheStatus(answer, "detail");
    // Before anything of the answer is noted: the figure comes with its reason, or not yet.
    await learn(code, signal);
    states.link = "live";
    const age = Number(answer.headers.get("age")) || 0;
    const ttl = Number(cacheStatus(answer, "ttl") ?? NaN);
    // Without a word about it, a figure is not one of now.
    take(content, { age, ttl: Number.isNaN(ttl) ? -1 : ttl, since }, "fresh");
    known.reason = code ? `${errorOf(code).title}.` : "";
    show();
    const held = await lookBehind(null, signal);
    await lookBack(signal);
    if (states.freshness === "fresh") {
      // To the end of the time that the figure is good for, and a little over.
      return bounded(timeLeft() + 0.5);
    }
    inVain += 1;
    return held === null ? backedOff() : bounded(held);
  }
  return lookAtProblem(answer, content, signal);
}

/** What to do where there is no balance. Returns as `lookOnce` does. */
async function lookAtProblem(answer, content, signal) {
  inVain += 1;
  doubt();
  const own = problemIn(content);
  if (own) {
    heard = new Date();
    note(own);
  }
  const wait = obeyed(retryAfter(answer), backedOff());
  if (own?.code.startsWith("upstream_")) {
    states.link = "live";
    known.reason = `${own.title}.`;
    await lookBehind(own, signal);
    await lookBack(signal);
    return wait;
  }
  states.link = "trouble";
  setText("trouble", own?.title ?? "The answer was not the service’s own");
  setText("trouble_advice", own?.detail ?? `Something between this page and it has answered ${answer.status}.`);
  known.reason = own ? `${own.title}.` : "The service cannot be reached.";
  return wait;
}

/** Takes a balance over, with its `{ age, ttl, since }`. It is as good as `freshness`, at most. */
function take(content, counts, freshness) {
  const asOf = new Date(content.as_of);
  const isNewer = !known.balance || asOf > known.balance.asOf;
  const wasFresh = !isNewer && known.balance.wasFresh;
  known.balance = { text: content.balance_text, messages: content.sms_count ?? "", asOf, ...counts, wasFresh };
  states.freshness = freshness === "fresh" && timeLeft() < 0 ? "stale" : freshness;
  if (isNewer || states.freshness === "fresh") inVain = 0;
}

/**
 * Asks what stands behind the balance. Returns for how many seconds D7 is still
 * left alone, or null where it is not.
 */
async function lookBehind(problem, signal) {
  const since = mark();
  const { answer, content: status } = await ask("/status", signal);
  if (!answer.ok || !status?.balance) return null;
  const { credential, upstream } = status;
  await learn((upstream.failure ?? upstream.last_failure)?.code, signal);
  const { last_known: content, age, ttl, freshness } = status.balance;
  // Without a problem, the refresh behind a stale balance may be over already.
  const isNewer = content && (problem || new Date(content.as_of) > known.balance.asOf);
  if (isNewer) take(content, { age, ttl, since }, freshness);
  // What kept the one before from being newer is over.
  if (isNewer && !problem) known.reason = "";
  states.credential = credential.state;
  states.token = credential.in_force === "token_secondary" ? "second" : "";
  setTime("expires", credential.expires && new Date(credential.expires));
  setText("requests", times(upstream.requests_last_hour));
  const held = showUpstream(upstream, answer);
  show();
  return held;
}

/** The state of D7. Returns as `lookBehind` does. */
function showUpstream({ failure, last_failure: last, last_success: success }, answer) {
  states.d7 = failure ? "failing" : success ? "well" : "unknown";
  states.held = "";
  states.past = !failure && last ? "failed" : "";
  setTime("last_success", success && new Date(success));
  if (states.past) {
    setText("last_failure", errorOf(last.code).title);
    setTime("last_failure_at", last.at && new Date(last.at));
  }
  if (!failure) return null;
  const { title, detail } = errorOf(failure.code);
  setText("failure", title);
  setText("advice", detail);
  setText("upstream", last?.code === failure.code ? answered(last) : "");
  if (states.freshness !== "fresh") known.reason = `${title}.`;
  if (!failure.held_until) return null;
  states.held = "yes";
  const until = new Date(failure.held_until);
  setTime("held_until", until);
  // By the service's clock, which need not be this one.
  return (until - new Date(answer.headers.get("date") ?? Date.now())) / 1000;
}

function answered({ upstream_status: status, upstream_code: code }) {
  if (!status) return "";
  return code ? `D7 said ${status}, ${code}.` : `D7 said ${status}.`;
}

/** Asks for the samples that are new. */
async function lookBack(signal) {
  const latest = samples.at(-1);
  if (known.balance && (!latest || known.balance.asOf > new Date(latest.asOf))) {
    const since = latest ? `?since=${encodeURIComponent(latest.asOf)}` : "";
    const { answer, content } = await ask(`/history${since}`, signal);
    for (const { as_of: asOf, balance_text: text } of (answer.ok && content?.samples) || []) {
      // Of those in a row that say the same, the first and the latest stay, as in the service.
      if (samples.slice(-2).filter((sample) => sample.text === text).length === 2) samples.pop();
      samples.push({ at: Date.parse(asOf) / 1000, asOf, text });
    }
    samples = samples.slice(-MOST_SAMPLES);
  }
  chart.update(samples, known.balance ? known.balance.asOf / 1000 : 0);
}

// ---- Coming and going -------------------------------------------------------

/** Shows the form, and keeps nothing of the account. */
function leave(visitor) {
  const hadFocus = document.querySelector(".account").contains(document.activeElement);
  stopLooking();
  Object.assign(states, NOTHING, { visitor, freshness: "none", credential: "unproven", d7: "unknown", link: "live" });
  known.balance = null;
  samples = [];
  known.reason = "";
  for (const place of document.querySelectorAll(PLACES)) {
    place.removeAttribute("datetime");
    place.textContent = "";
  }
  chart.update([], 0);
  show();
  // What had the focus is gone.
  if (hadFocus) document.getElementById("key").focus();
}

/**
 * Finds out whether there is a session after all. A browser leaves the cookie out
 * of a visit that began on another site, and sends it with what the page itself
 * asks for. Asked of the page, which anyone may see, and which has everything that
 * is to be shown: `/balance` would answer 401, which browsers report as an error.
 */
async function knock() {
  const since = mark();
  try {
    const answer = await fetch("/", {
      cache: "no-store",
      headers: { accept: "text/html" },
      signal: AbortSignal.timeout(PATIENCE * 1000),
    });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.body.dataset.visitor !== "signed-in") return;
    const newer = page.querySelectorAll(PLACES);
    for (const [index, place] of document.querySelectorAll(PLACES).entries()) {
      place.replaceWith(newer[index].cloneNode(true));
    }
    read(page, { since, isKept: false });
    lookWhenAllowed();
    show();
  } catch {
    // The form is there, and works as soon as the service does.
  }
}

document.querySelector(".sign-out").addEventListener("submit", async (event) => {
  event.preventDefault();
  stopLooking();
  try {
    const answer = await fetch("/session", { method: "DELETE" });
    if (answer.ok || answer.status === 401) {
      leave("left");
      document.getElementById("key").focus();
      return;
    }
  } catch {
    // The browser's own way shows what is wrong.
  }
  event.target.submit();
});

let ticking;
/** Whether the page has come to rest after it was loaded. */
let isSettled = false;

/** Nothing is asked and next to nothing ticks while nobody looks. */
function wake() {
  clearInterval(ticking);
  clearTimeout(timer);
  const isFirst = !isSettled;
  isSettled = true;
  if (document.hidden) {
    rest();
    return;
  }
  ticking = setInterval(show, 1000);
  if (states.visitor !== "signed-in") {
    // Somebody may have signed in from another tab.
    if (!isFirst) knock();
  } else {
    lookWhenAllowed();
  }
  show();
}

function lookWhenAllowed() {
  const wait = notBefore - now();
  if (wait > 0) lookIn(wait);
  else look();
}

/** Takes over what the server has put into a page: this one, or a newer copy. */
function read(page, { since, isKept }) {
  Object.assign(states, NOTHING, page.body.dataset);
  for (const element of page.querySelectorAll("[data-when]:not([hidden])")) {
    const [name, words] = element.dataset.when.split("=");
    if (!words.includes(" ")) states[name] = words;
  }
  const { dateTime } = page.querySelector('[data-time="as_of"]');
  if (dateTime) {
    const asOf = new Date(dateTime);
    const [text, messages] = ["balance", "messages"].map((name) => page.querySelector(`[data-text="${name}"]`).textContent);
    const told = page.querySelector("[data-age]").dataset;
    const [age, ttl] = [Number(told.age), Number(told.ttl)];
    // How long a kept one has lain there, only the clocks can tell, if they agree.
    const lain = isKept ? Math.max((Date.now() - asOf) / 1000 - age, 0) : 0;
    known.balance = { text, messages, asOf, age: age + lain, ttl: isKept ? Math.min(ttl - lain, -1) : ttl, since };
  }
  known.reason = page.querySelector('[data-text="reason"]').textContent;
  // Where the limit is reached there is no account in the page, but for how long.
  const { seconds } = page.querySelector("[data-seconds]").dataset;
  notBefore = now() + obeyable(Number(seconds));
  const { dateTime: seen } = page.querySelector('[data-time="seen"]');
  heard = new Date(seen || 1000 * since.wall);
  for (const element of document.querySelectorAll("time[data-time]")) {
    if (element.dateTime) element.textContent = wording(new Date(element.dateTime));
  }
}

async function begin() {
  read(document, arrival());
  // Else a failed attempt would be told of again when the page is loaded again.
  if (location.search) history.replaceState(null, "", location.pathname);
  if (states.visitor === "signed-out") await knock();
  body.classList.add("settled");
  document.addEventListener("visibilitychange", wake);
  addEventListener("pageshow", (event) => event.persisted && wake());
  addEventListener("online", () => states.link === "offline" && wake());
  wake();
}

begin();
