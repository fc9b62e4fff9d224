// How long ago something was, and how that is put.

/** Seconds on a clock that nobody sets. */
export function now() {
  return performance.now() / 1000;
}

/** A moment, to count from. */
export function mark() {
  return { steady: now(), wall: Date.now() / 1000 };
}

/**
 * Seconds since a mark. The steady clock may stand still while the machine
 * sleeps, and the one on the wall may be set back: the longer time counts, since
 * an old figure must never pass for one of now.
 */
export function passed(since) {
  return Math.max(now() - since.steady, Date.now() / 1000 - since.wall, 0);
}

export function span(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.floor(whole / 60)} min`;
  if (whole < 172800) return `${Math.floor(whole / 3600)} h`;
  return `${Math.floor(whole / 86400)} days`;
}
