// Keeps a balance on a page up to date. To be copied: it needs nothing else.
//
// `show` is called after each answer, and when a balance has grown old since, with
//   balance    the last one known: `balance_text`, `as_of`. Show that text: as a
//              number of JavaScript it may lose digits. Undefined if there is none
//   old        whether it is no balance of now: say so, with `as_of`
//   problem    what is wrong, if something is: `title` for people, `code` for programs
//   signedOut  whether the answer was 401, after which nothing is asked any more
// What is returned ends the asking.
//
// The interval is a plain one: to ask costs next to nothing, mostly a 304 out of
// d7-balance's cache, and D7 is not asked more often for it.
export function pollBalance(show, { url = "/api/balance", every = 15_000 } = {}) {
  let state = { old: true }, freshUntil = 0, notBefore = 0, isAsking = false, timer;

  async function ask() {
    // An answer may be slow: its time counts from here, and goes on while the machine sleeps.
    const sent = Date.now();
    let ttl = 0, wait = 0;
    isAsking = true;
    try {
      // The browser keeps the answer, and asks again with its `If-None-Match` by
      // itself, unless a header or a cache mode is set here.
      const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
      // First: a proxy's own 429 or 503 has a body that is no JSON. Seconds or a
      // date, and no more than an hour: longer timers may end at once.
      const pause = answer.headers.get("retry-after");
      wait = Math.min(Math.max(1000 * pause || Date.parse(pause) - sent || 0, 0), 3_600_000);
      const signedOut = answer.status === 401;
      const body = signedOut ? undefined : await answer.json();
      // Of d7-balance a balance has its text, and an error its title.
      if (!signedOut && typeof (answer.ok ? body.balance_text : body.title) !== "string") throw new TypeError("not its own");
      const balance = signedOut ? undefined : (answer.ok ? body : body.last_known) ?? state.balance;
      state = { balance, problem: answer.ok ? undefined : body, signedOut };
      // Below zero where its time to live is over; a proxy may have cut it off.
      if (answer.ok) ttl = /; ttl=(\d+)/.exec(answer.headers.get("cache-status"))?.[1] ?? 0;
    } catch {
      state = { ...state, problem: { code: "no_answer", title: "No answer from the service" } };
    }
    isAsking = false;
    if (end.signal.aborted) return;
    freshUntil = sent + 1000 * ttl;
    notBefore = performance.now() + wait;
    tell();
    return state.signedOut ? stop() : schedule(Math.max(every, wait));
  }

  const tell = () => show(state = { ...state, old: Date.now() >= freshUntil });
  const age = () => !state.old && Date.now() >= freshUntil && tell();

  function schedule(wait) {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(ask, wait);
  }

  // A tab that nobody sees asks for nothing, and at once when it is seen again,
  // but for a `Retry-After`.
  function resume() {
    age();
    if (!isAsking) schedule(Math.max(0, notBefore - performance.now()));
  }
  const end = new AbortController(), aging = setInterval(age, 1000);
  const stop = () => { clearTimeout(timer); clearInterval(aging); end.abort(); };
  document.addEventListener("visibilitychange", resume, { signal: end.signal });
  resume();
  return stop;
}
