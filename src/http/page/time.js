// Moments, how long ago something was, and how that is put.

const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A moment as the visitor's locale writes it. */
export function wording(date) {
  return dateAndTime.format(date);
}

/** Seconds on a clock that nobody sets. */
export function now() {
  return performance.now() / 1000;
}

/** A moment to count from: this one, or when `now()` was `at`. */
export function mark(at = now()) {
  return { steady: at, wall: Date.now() / 1000 - (now() - at) };
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

/**
 * How this document came: `since` it was asked for, and whether it was not, but
 * `isKept`, an old one that the browser shows again. Going back does that, and so
 * does a tab that is restored or duplicated, which has come from the cache as if
 * by a plain visit: not a byte was sent for it. (`deliveryType` does not tell: it is
 * "cache" also where the service has confirmed the document.)
 */
export function arrival() {
  const [entry] = performance.getEntriesByType("navigation");
  const isFromCache = entry?.transferSize === 0 && entry.decodedBodySize > 0;
  return {
    since: mark((entry?.requestStart ?? 0) / 1000),
    isKept: entry?.type === "back_forward" || isFromCache,
  };
}
