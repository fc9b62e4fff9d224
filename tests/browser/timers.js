// Takes the place of the page's timers, clocks and network, before any script of
// the page runs: they go on when a test says so. `waiting()` tells what timers wait
// for, in milliseconds; `freeTimeout` is for the test's own scripts.
(() => {
  const timers = new Map();
  let last = 0;
  window.freeTimeout = window.setTimeout;
  window.setTimeout = (run, wait = 0) => {
    timers.set(++last, { run, wait });
    return last;
  };
  window.clearTimeout = (id) => timers.delete(id);
  window.waiting = () => [...timers.values()].map(({ wait }) => wait);
  window.elapse = () => {
    const due = [...timers.values()];
    timers.clear();
    due.forEach(({ run }) => run());
  };

  let ahead = 0, steady = performance.now.bind(performance), wall = Date.now;
  performance.now = () => steady() + ahead;
  // The page's: Firefox runs this beside the page, with a `Date` of its own.
  window.Date.now = () => wall() + ahead;
  window.pass = (seconds) => { ahead += 1000 * seconds; };
  // From then on they go by `pass` alone.
  window.stopClocks = () => {
    const [atSteady, atWall] = [steady(), wall()];
    steady = () => atSteady;
    wall = () => atWall;
  };

  // Answers come and are kept back, those to one path or all, or a test answers in the
  // service's place, if it has an answer.
  const send = window.fetch.bind(window);
  let gate = Promise.resolve(), open, to = "/", held = 0, instead;
  window.holdAnswers = (path = "/") => {
    to = path;
    gate = new Promise((resolve) => { open = resolve; });
  };
  window.releaseAnswers = () => open();
  window.heldAnswers = () => held;
  window.answerWith = (make) => { instead = make; };
  window.fetch = async (...request) => {
    const own = await instead?.(...request);
    if (own) return own;
    const answer = await send(...request);
    if (!request[0].startsWith(to)) return answer;
    held += 1;
    await gate;
    held -= 1;
    return answer;
  };
})();
