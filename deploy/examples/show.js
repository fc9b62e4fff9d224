// What the examples make of a balance: a figure, and a note on it.
export function show({ balance, old, problem, signedOut }) {
  const figure = document.getElementById("balance");
  figure.textContent = balance?.balance_text ?? "unknown";
  figure.classList.toggle("old", old);
  const since = balance && `${old ? "Old: " : "As"} of ${new Date(balance.as_of).toLocaleString()}.`;
  const why = signedOut ? "You are signed out." : problem && `${problem.title}.`;
  document.getElementById("note").textContent = [since, why].filter(Boolean).join(" ");
}
