// For people who sign in with a key of d7-balance. The key is sent once, for a
// cookie that no script can read, and kept nowhere.
import { pollBalance } from "./polling.js";
import { show } from "./show.js";

const [account, form, key, note] = ["account", "sign-in", "key", "note"].map((id) => document.getElementById(id));
let end = () => {};

function poll() {
  end();
  end = pollBalance((state) => {
    account.hidden = state.signedOut;
    form.hidden = !state.signedOut;
    show(state);
  });
}

// Asks for a change of the session. Returns the error, if it is one.
async function change(method, headers) {
  const answer = await fetch("/session", { method, headers });
  return answer.ok ? undefined : answer.json();
}

async function signIn(headers) {
  const problem = await change("POST", headers);
  // A key beside the cookie of a session. Another tab has signed in meanwhile, or
  // what is left is the cookie of a session that is over: then it has to go.
  if (problem?.code !== "bad_request") return problem;
  if ((await fetch("/api/balance")).status !== 401) return undefined;
  return (await change("DELETE")) ?? change("POST", headers);
}

async function finish(changed) {
  try {
    const problem = await changed;
    if (!problem) return poll();
    note.textContent = problem.code === "unauthorized" ? "This key is not accepted." : `${problem.title}.`;
  } catch {
    note.textContent = "No answer from the service.";
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  // No key has a character that a header cannot hold: with another one it is still none.
  const authorization = `Bearer ${key.value.replace(/[^\x20-\x7e]/g, "?")}`;
  form.reset();
  finish(signIn({ authorization }));
});
document.getElementById("sign-out").addEventListener("click", () => finish(change("DELETE")));
poll();
