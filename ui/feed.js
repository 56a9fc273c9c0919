// Asks the gateway for its state, once a second while the page is looked at.

const interval = 1000;
const patience = 5000;

/** `onState(state)` for each document, `onLost(why)` where none came; both say how it stands now. */
export class Feed {
  #onStart;
  #onState;
  #onLost;
  #timer = null;
  #isAsking = false;
  #hasStarted = false;

  constructor({ onStart, onState, onLost }) {
    [this.#onStart, this.#onState, this.#onLost] = [onStart, onState, onLost];
  }

  start() {
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#ask();
    });
    this.#ask();
  }

  /** What a page needs once has to be asked for anew: a while is missing. */
  restart() {
    this.#hasStarted = false;
  }

  async #ask() {
    if (this.#isAsking) return;
    this.#isAsking = true;
    clearTimeout(this.#timer);
    const began = performance.now();
    try {
      if (!this.#hasStarted) {
        this.#onStart(await get("ui/start"));
        this.#hasStarted = true;
      }
      this.#onState(await get("ui/state"));
    } catch (error) {
      this.#onLost(why(error));
    }
    this.#isAsking = false;
    if (document.hidden) return; // nobody looks; asked again when somebody does
    this.#timer = setTimeout(() => this.#ask(), Math.max(0, interval - (performance.now() - began)));
  }
}

class Refusal extends Error {}

async function get(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(patience) });
  if (answer.status === 401 || answer.status === 403) throw new Refusal("it does not let you see it");
  if (!answer.ok) throw new Refusal(`it answers ${answer.status}`);
  return answer.json();
}

function why(error) {
  if (error instanceof Refusal) return error.message;
  if (error.name === "TimeoutError") return "it does not answer in time";
  if (error instanceof TypeError) return "it cannot be reached";
  console.error(error); // a fault of the page itself
  return "the page does not understand its answer";
}
