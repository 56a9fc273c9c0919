// A list whose items are looked at a few in each frame, so that a thousand of them do not hold up the page.

import { list } from "./dom.js";

export class Slices {
  #parent;
  #step;
  #keyOf;
  #make;
  #look;
  #items = [];
  #nodes = [];
  #next = 0; // the item that is looked at next, round and round
  #left = 0; // items that have not been looked at since the last update
  #frame = null;

  /** `make(item)` makes a node, `look(node, item)` has it show its item; `step`: how many in one frame. */
  constructor(parent, { step, keyOf, make, look }) {
    [this.#parent, this.#step, this.#keyOf, this.#make, this.#look] = [parent, step, keyOf, make, look];
  }

  /** The first ones at once, more with each frame. */
  update(items) {
    this.#items = items;
    this.#hold(this.#nodes.length);
    this.#left = items.length;
    cancelAnimationFrame(this.#frame);
    this.#work();
  }

  /** Has nodes for the first items: for so many, or for one step of them. */
  #hold(number) {
    const nodes = [];
    list(this.#parent, this.#items.slice(0, Math.max(number, this.#step)), this.#keyOf, this.#make, (node, item) => {
      node.item = item;
      nodes.push(node);
    });
    this.#nodes = nodes;
  }

  #work() {
    for (let looked = 0; looked < this.#step && this.#left > 0; ++looked, --this.#left, ++this.#next) {
      const isBehindLast = this.#next >= this.#nodes.length;
      if (isBehindLast && this.#nodes.length < this.#items.length) this.#hold(this.#nodes.length + this.#step);
      if (this.#next >= this.#nodes.length) this.#next = 0;
      const node = this.#nodes[this.#next];
      this.#look(node, node.item);
    }
    if (this.#left > 0) this.#frame = requestAnimationFrame(() => this.#work());
  }
}
