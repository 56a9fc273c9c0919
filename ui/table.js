// A table of rows that are updated in place. Rows are laid out by CSS grids and not as a <table>: a thousand of them
// are then laid out one by one, and only those on the screen; roles tell the rest to assistive technology.

import { element, list, setAttribute, setText } from "./dom.js";
import { term } from "./terms.js";

/**
 * `columns`: `{id, explain, name, number, text(row), title(row), mark(row), make(), update(cell, row)}`. `text` is what
 * the cell shows; `mark` a word that CSS draws a sign for, before the text; `make` and `update` are for cells with more
 * in them.
 */
export class Table {
  /** So many rows are looked at in one frame: a thousand at once would hold up the page. */
  static #step = 100;
  #columns;
  #keyOf;
  #rowState;
  #body;
  #rows = [];
  #nodes = [];
  #next = 0; // the row that is looked at next, round and round
  #left = 0; // rows that have not been looked at since the last update
  #frame = null;

  constructor({ label, kind, columns, keyOf, rowState = () => null }) {
    this.#columns = columns;
    this.#keyOf = keyOf;
    this.#rowState = rowState;
    const heads = columns.map((column) =>
      element("span", { role: "columnheader", class: `cell ${column.id}${column.number ? " number" : ""}` },
        column.explain ? term(column.explain, column.name) : column.name));
    this.#body = element("div", { role: "rowgroup", class: "rows" });
    this.element = element("div", { role: "table", "aria-label": label, class: `table ${kind}` },
      element("div", { role: "rowgroup", class: "heads" }, element("div", { role: "row", class: "row head" }, ...heads)),
      this.#body);
  }

  /** The first rows at once, more with each frame. */
  update(rows) {
    setAttribute(this.element, "aria-rowcount", rows.length + 1);
    this.#rows = rows;
    this.#hold(this.#nodes.length);
    this.#left = rows.length;
    cancelAnimationFrame(this.#frame);
    this.#work();
  }

  /** Has nodes for the first rows: for so many, or for one step of them. */
  #hold(number) {
    const nodes = [];
    list(this.#body, this.#rows.slice(0, Math.max(number, Table.#step)), this.#keyOf, () => this.#makeRow(), (node, row) => {
      node.row = row;
      nodes.push(node);
    });
    this.#nodes = nodes;
  }

  #work() {
    for (let looked = 0; looked < Table.#step && this.#left > 0; ++looked, --this.#left, ++this.#next) {
      const isBehindLast = this.#next >= this.#nodes.length;
      if (isBehindLast && this.#nodes.length < this.#rows.length) this.#hold(this.#nodes.length + Table.#step);
      if (this.#next >= this.#nodes.length) this.#next = 0;
      const node = this.#nodes[this.#next];
      this.#updateRow(node, node.row);
    }
    if (this.#left > 0) this.#frame = requestAnimationFrame(() => this.#work());
  }

  #makeRow() {
    const row = element("div", { role: "row", class: "row" });
    row.cells = this.#columns.map((column) => {
      const cell = element("span", { role: "cell", class: `cell ${column.id}${column.number ? " number" : ""}`,
        "data-name": column.short ?? column.name });
      if (column.make) {
        cell.append(...column.make());
      } else {
        cell.text = element("span", {});
        if (column.mark) cell.append((cell.sign = element("i", { "aria-hidden": "true", class: "sign" })));
        cell.append(cell.text);
      }
      row.append(cell);
      return cell;
    });
    return row;
  }

  #updateRow(node, row) {
    setAttribute(node, "data-state", this.#rowState(row));
    this.#columns.forEach((column, index) => {
      const cell = node.cells[index];
      if (column.update) return column.update(cell, row);
      setText(cell.text, column.text(row));
      if (column.mark) setAttribute(cell.sign, "data-sign", column.mark(row));
      if (column.title) setAttribute(cell, "title", column.title(row));
    });
  }
}
