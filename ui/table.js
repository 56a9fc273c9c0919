// A table of rows that are updated in place. Rows are laid out by CSS grids and not as a <table>: a thousand of them
// are then laid out one by one, and only those on the screen; roles tell the rest to assistive technology.

import { element, setAttribute, setText } from "./dom.js";
import { Slices } from "./slices.js";
import { term } from "./terms.js";

/**
 * `columns`: `{id, explain, name, number, text(row), title(row), mark(row), make(), update(cell, row)}`. `text` is what
 * the cell shows; `mark` a word that CSS draws a sign for, before the text; `make` and `update` are for cells with more
 * in them.
 */
export class Table {
  #columns;
  #rowState;
  #rows;

  constructor({ label, kind, columns, keyOf, rowState = () => null }) {
    this.#columns = columns;
    this.#rowState = rowState;
    const heads = columns.map((column) =>
      element("span", { role: "columnheader", class: `cell ${column.id}${column.number ? " number" : ""}` },
        column.explain ? term(column.explain, column.name) : column.name));
    const body = element("div", { role: "rowgroup", class: "rows" });
    this.#rows = new Slices(body, { step: 50, keyOf, make: () => this.#makeRow(), look: (node, row) => this.#updateRow(node, row) });
    this.element = element("div", { role: "table", "aria-label": label, class: `table ${kind}` },
      element("div", { role: "rowgroup", class: "heads" }, element("div", { role: "row", class: "row head" }, ...heads)),
      body);
  }

  update(rows) {
    setAttribute(this.element, "aria-rowcount", rows.length + 1);
    this.#rows.update(rows);
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
