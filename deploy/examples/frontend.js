import { pollBalance } from "./polling.js";

const figure = document.getElementById("balance");
const note = document.getElementById("note");

pollBalance(({ balance, old, problem, signedOut }) => {
  figure.textContent = balance?.balance_text ?? "unknown";
  figure.classList.toggle("old", old);
  const since = balance && `${old ? "Old: " : "As"} of ${new Date(balance.as_of).toLocaleString()}.`;
  const why = signedOut ? "You are signed out. Load this page again." : problem && `${problem.title}.`;
  note.textContent = [since, why].filter(Boolean).join(" ");
});
