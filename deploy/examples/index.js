// For users whom the team's own proxy has signed in.
import { pollBalance } from "./polling.js";
import { show } from "./show.js";

pollBalance(show);
