
"use strict";
(() => {
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) target.classList.toggle("sideways", target.scrollWidth > target.clientWidth);
  });
  for (const one of document.querySelectorAll(".scroll")) sizes.observe(one);

  const table = document.getElementById("issues");
  if (!table) return;
  const body = table.tBodies[0], headings = [...table.tHead.rows[0].cells];
  const texts = (cell) => (cell.firstChild && cell.firstChild.nodeType === 3 ? cell.firstChild.data : "").trim();
  const rows = [...body.rows].map((row) => ({
    row, cells: [...row.cells].map(texts), all: row.textContent.toLowerCase(),
  }));
  const controls = document.getElementById("controls"), search = document.getElementById("search");
  const shown = document.getElementById("shown"), choices = [...controls.querySelectorAll("select")];
  const order = new Intl.Collator("en", { numeric: true }).compare;

  const narrow = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = choices.filter((one) => one.value).map((one) => [one.dataset.column, one.value]);
    let count = 0;
    for (const { row, cells, all } of rows) {
      const fits = wanted.every(([column, value]) => cells[column] === value) && words.every((word) => all.includes(word));
      if (row.hidden === fits) row.hidden = !fits;
      count += fits;
    }
    shown.textContent = `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} shown`;
  };

  const sort = (heading, column) => {
    const was = heading.getAttribute("aria-sort");
    const up = was ? was !== "ascending" : !heading.classList.contains("n");
    for (const one of headings) one.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    // Empty cells come last in both directions.
    rows.sort(({ cells: { [column]: a } }, { cells: { [column]: b } }) =>
      !a || !b ? !a - !b : up ? order(a, b) : order(b, a));
    body.append(...rows.map(({ row }) => row));
  };

  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(heading, column));
    heading.append(button);
  });
  for (const one of choices) {
    const values = new Set(rows.map(({ cells }) => cells[one.dataset.column]));
    for (const value of [...values].filter(Boolean).sort(order)) one.add(new Option(value, value));
    one.addEventListener("change", narrow);
  }
  search.addEventListener("input", narrow);
  controls.hidden = false;
  narrow();

  // Assistive technology does not see rows that are not laid out yet: lay out all of them, a few at a time.
  const ahead = [...body.rows], whenIdle = window.requestIdleCallback ?? setTimeout;
  const settle = () => {
    for (const row of ahead.splice(0, 100)) row.style.contentVisibility = "visible";
    if (ahead.length) whenIdle(settle); else table.dataset.settled = "";
  };
  whenIdle(settle);
})();
