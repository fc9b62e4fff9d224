// Keeps a balance on a page up to date. To be copied: it needs nothing else.
//
// `show` is called after each answer with
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
  const end = new AbortController();
  let balance, timer, isAsking = false, notBefore = 0;

  async function ask() {
    isAsking = true;
    let state, wait = 0;
    try {
      // The browser keeps the answer, and asks again with its `If-None-Match` by
      // itself, unless a header or a cache mode is set here.
      const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) });
      const signedOut = answer.status === 401;
      const body = signedOut ? {} : await answer.json();
      wait = 1000 * answer.headers.get("retry-after") || 0;
      balance = (answer.ok ? body : body.last_known) ?? balance;
      if (signedOut) balance = undefined;
      // Below zero where its time to live is over; a proxy may have cut it off.
      const isStale = !/; ttl=\d/.test(answer.headers.get("cache-status"));
      state = { old: !answer.ok || isStale, problem: answer.ok ? undefined : body, signedOut };
    } catch {
      state = { old: true, problem: { code: "no_answer", title: "No answer from the service" } };
    }
    isAsking = false;
    if (end.signal.aborted) return;
    if (state.signedOut) end.abort();
    notBefore = performance.now() + wait;
    schedule(Math.max(every, wait));
    show({ balance, ...state });
  }

  function schedule(wait) {
    clearTimeout(timer);
    if (!document.hidden && !end.signal.aborted) timer = setTimeout(ask, wait);
  }

  // A tab that nobody sees asks for nothing, and at once when it is seen again,
  // but for a `Retry-After`.
  const resume = () => isAsking || schedule(Math.max(0, notBefore - performance.now()));
  document.addEventListener("visibilitychange", resume, { signal: end.signal });
  resume();
  return () => { clearTimeout(timer); end.abort(); };
}
