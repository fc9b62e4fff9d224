// Takes the place of the page's timers, before any script of the page runs: they
// end when a test says so. `waiting()` tells what they wait for, in milliseconds;
// `freeTimeout` is for the test's own scripts.
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
})();
