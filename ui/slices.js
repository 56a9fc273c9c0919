// A list whose items are looked at a few in each frame, those on the screen first, so that a thousand of them do not
// hold up the page.

import { list } from "./dom.js";

/** Milliseconds of a frame that one list may take: of 16, in which the browser lays out and paints as well. */
const budget = 3;

export class Slices {
  #parent;
  #step;
  #keyOf;
  #make;
  #look;
  #items = [];
  #nodes = [];
  #seen = new Set(); // nodes on the screen, or near it
  #observer = new IntersectionObserver((entries) => this.#follow(entries), { rootMargin: "25%" });
  #round = 0; // of updates
  #next = 0; // the item that is looked at next, round and round
  #first = []; // nodes that are looked at before all others
  #left = 0; // items of which the others have not been come to in this round
  #frame = null;

  /** `make(item)` makes a node, `look(node, item)` has it show its item; `step`: how many are made in one frame. */
  constructor(parent, { step, keyOf, make, look }) {
    [this.#parent, this.#step, this.#keyOf, this.#make, this.#look] = [parent, step, keyOf, make, look];
  }

  /** A few at once, the others with the frames that follow. */
  update(items) {
    this.#items = items;
    this.#round += 1;
    this.#hold(this.#nodes.length);
    this.#left = items.length;
    this.#first = [...this.#seen];
    cancelAnimationFrame(this.#frame);
    this.#work(this.#round === 1 ? this.#step : 1); // what is there from the beginning is there at once
  }

  /** Has nodes for the first items: for so many, or for one step of them. */
  #hold(number) {
    const nodes = [];
    const make = (item) => {
      const node = this.#make(item);
      this.#observer.observe(node);
      return node;
    };
    list(this.#parent, this.#items.slice(0, Math.max(number, this.#step)), this.#keyOf, make, (node, item) => {
      node.item = item;
      nodes.push(node);
    });
    this.#nodes = nodes;
  }

  #follow(entries) {
    for (const { target, isIntersecting } of entries) {
      const isListed = target.parentNode === this.#parent;
      if (!isListed) this.#observer.unobserve(target);
      if (isListed && isIntersecting) {
        this.#seen.add(target);
        this.#refresh(target);
      } else {
        this.#seen.delete(target);
      }
    }
  }

  #refresh(node) {
    if (node?.parentNode !== this.#parent || node.round === this.#round) return;
    node.round = this.#round;
    this.#look(node, node.item);
  }

  /** Looks at nodes for as long as the budget lasts, and at so many in any case. */
  #work(least = 1) {
    const end = performance.now() + budget;
    for (let looked = 0; this.#left > 0 && (looked < least || performance.now() < end); ++looked) {
      this.#refresh(this.#first.pop() ?? this.#following());
    }
    if (this.#left > 0) this.#frame = requestAnimationFrame(() => this.#work());
  }

  /** The next one, wherever it is; nodes are made as they are come to. */
  #following() {
    const isBehindLast = this.#next >= this.#nodes.length;
    if (isBehindLast && this.#nodes.length < this.#items.length) this.#hold(this.#nodes.length + this.#step);
    if (this.#next >= this.#nodes.length) this.#next = 0;
    --this.#left;
    return this.#nodes[this.#next++];
  }
}
