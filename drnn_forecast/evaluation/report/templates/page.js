"use strict";
for (const table of document.querySelectorAll("table")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    header.firstElementChild.addEventListener("click", () => {
      const isAscending = header.getAttribute("aria-sort") !== "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [row.cells[column].dataset.value, row]);
      rows.sort(([one], [other]) => compare(one, other, isAscending ? 1 : -1));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

function compare(one, other, direction) {
  if (one === undefined || other === undefined) {
    return (one === undefined) - (other === undefined); // nothing comes last, either way
  }
  const isNumber = !isNaN(one) && !isNaN(other);
  return direction * (isNumber ? one - other : one.localeCompare(other));
}

addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((part) => { part.open = true; });
});
