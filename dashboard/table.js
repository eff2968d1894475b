// A table that is renewed in place: a selection and the focus stand as long as what is under them does.
import { h, setAttribute, setText } from "./dom.js";
import { number, t } from "./words.js";

const MOST = 1000;  // rows; a file has them all

// A column: {name, label, text(row), number, href(row), title(row), kind(row): a class}.
export class Table {
  constructor(label, columns, { className = "" } = {}) {
    this.columns = columns;
    this.body = h("tbody");
    const heads = columns.map(({ name, label: head, number: isNumber }) => h("th", { scope: "col", class: `${name}${isNumber ? " number" : ""}` }, head));
    this.element = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
      h("table", { class: `data ${className}`.trim() }, h("thead", {}, h("tr", {}, ...heads)), this.body));
    this.note = h("p", { class: "note", hidden: true });
  }

  row() {
    return h("tr", {}, ...this.columns.map(({ name, href, number: isNumber }) => h("td", { class: `${name}${isNumber ? " number" : ""}` }, ...(href ? [h("a")] : []))));
  }

  draw(rows) {
    const shown = rows.slice(0, MOST);
    while (this.body.rows.length > shown.length) this.body.lastElementChild.remove();
    while (this.body.rows.length < shown.length) this.body.append(this.row());
    shown.forEach((row, i) => this.columns.forEach((column, c) => {
      const cell = this.body.rows[i].cells[c];
      const link = cell.firstElementChild;
      if (link) setAttribute(link, "href", column.href(row));
      setText(link ?? cell, column.text(row));
      if (column.title) setAttribute(cell, "title", column.title(row));
      if (column.kind) setAttribute(cell, "data-kind", column.kind(row));
    }));
    this.note.hidden = rows.length <= MOST;
    setText(this.note, t("table.first", { n: MOST, all: rows.length }));
  }
}

// The table behind a chart, for who wants numbers or cannot see it; filled when it is opened.
export class HiddenTable {
  constructor(label, columns) {
    this.table = new Table(label, columns);
    this.count = h("span");
    this.element = h("details", { class: "behind" }, h("summary", {}, t("table.show"), " ", this.count), this.table.element, this.table.note);
    this.element.addEventListener("toggle", () => this.fill());
    this.rows = [];
  }

  draw(rows) {
    this.rows = rows;
    setText(this.count, `(${number(rows.length)})`);
    this.fill();
  }

  fill() {
    if (this.element.open) this.table.draw(this.rows);
  }
}
