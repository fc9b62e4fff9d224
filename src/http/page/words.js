// Puts words into the page's places, and has a screen reader tell what is new.

import { wording } from "./time.js";

/** What is news for a screen reader has been so for this long, in milliseconds. */
const SETTLED = 4000;

export function setText(name, text) {
  for (const element of document.querySelectorAll(`[data-text="${name}"]`)) {
    if (element.textContent !== text) element.textContent = text;
  }
}

export function setTime(name, date) {
  for (const element of document.querySelectorAll(`[data-time="${name}"]`)) {
    const [exact, text] = date ? [date.toISOString(), wording(date)] : [element.dateTime, ""];
    if (element.dateTime !== exact) element.dateTime = exact;
    if (element.textContent !== text) element.textContent = text;
  }
}

export function times(count) {
  return { 0: "not once", 1: "once" }[count] ?? `${count} times`;
}

let told = null;
let telling;

/** Has a screen reader tell words that are new, and none that the page came with. */
export function tell(words) {
  if (told === null) told = words;
  if (words === telling?.words) return;
  clearTimeout(telling?.timer);
  telling = {
    words,
    timer: setTimeout(() => {
      if (words !== told) document.getElementById("news").textContent = words;
      told = words;
    }, SETTLED),
  };
}
