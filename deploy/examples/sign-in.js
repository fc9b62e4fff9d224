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

async function change(method, headers) {
  try {
    const answer = await fetch("/session", { method, headers });
    // 400 where a session is there already: another tab has signed in meanwhile.
    if (answer.ok || answer.status === 400) return poll();
    note.textContent = answer.status === 401 ? "This key is not accepted." : `${(await answer.json()).title}.`;
  } catch {
    note.textContent = "No answer from the service.";
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const authorization = `Bearer ${key.value}`;
  form.reset();
  change("POST", { authorization });
});
document.getElementById("sign-out").addEventListener("click", () => change("DELETE"));
poll();
