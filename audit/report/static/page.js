"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Dark or light: the reader's own choice stays while the page is open.
  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  // Tables that sort: a cell's data-value goes before its text; what is not observed comes last.
  const value = (row, place) => {
    const cell = row.cells[place];
    const text = cell.dataset.value ?? cell.textContent.trim();
    return text === "" ? null : cell.classList.contains("number") || cell.dataset.value !== undefined && !Number.isNaN(Number(text)) ? Number(text) : text;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  const sortBy = (header) => {
    const table = header.closest("table");
    const place = [...header.parentNode.children].indexOf(header);
    const down = header.getAttribute("aria-sort") === "ascending";
    all("th", header.parentNode).forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [value(row, place), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return down ? compare(b, a) : compare(a, b);
    });
    body.append(...rows.map(([, row]) => row));
  };
  all("table.sorts thead th").forEach((header) => {
    header.querySelector("button")?.addEventListener("click", () => sortBy(header));
  });

  // Filters: a form of class "filters" rules the children of the element that it names.
  all(".filters").forEach((form) => {
    const list = document.getElementById(form.dataset.list);
    const items = list.tBodies ? [...list.tBodies[0].rows] : [...list.children];
    const said = form.querySelector(".count");
    const apply = () => {
      let shown = 0;
      items.forEach((item) => {
        const fits = all("select, input", form).every((field) => {
          if (!field.value) return true;
          const own = item.dataset[field.dataset.by] ?? "";
          return field.tagName === "SELECT"
            ? own.split("\u001f").includes(field.value)
            : own.toLowerCase().includes(field.value.trim().toLowerCase());
        });
        item.hidden = !fits;
        shown += fits;
      });
      said.textContent = `${shown} of ${items.length} shown`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    apply();
  });

  // A record by its address: #record-KEY opens it; arrows go to the next one that is shown.
  const dialog = document.getElementById("record");
  const say = document.getElementById("missing");
  const items = () => all(".gallery li").filter((item) => !item.hidden);
  const open = (item) => {
    const picture = item.querySelector("img");
    const shown = dialog.querySelector("img");
    shown.src = picture.src;
    shown.alt = picture.alt;
    dialog.querySelector(".told").replaceChildren(item.querySelector("template").content.cloneNode(true));
    dialog.dataset.shows = item.id;
    if (!dialog.open) dialog.showModal();
  };
  const follow = () => {
    const asked = decodeURIComponent(location.hash.slice(1));
    if (say) say.hidden = true;
    const target = asked && document.getElementById(asked);
    if (asked.startsWith("record-")) {
      if (target) open(target);
      else if (say) {
        say.hidden = false;
        say.querySelectorAll("a").forEach((link) => { link.hash = asked; });
      }
    } else if (target) {
      for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
      target.scrollIntoView();
    }
    if (dialog?.open && !asked.startsWith("record-")) dialog.close();
  };
  if (dialog) {
    // "close" is told late: by then the reader may have gone to another address, which stays.
    const leave = () => {
      const here = location.hash.slice(1);
      if (dialog.open || here !== dialog.dataset.shows) return;
      history.replaceState(null, "", location.pathname + location.search);
      document.getElementById(here)?.querySelector("a")?.focus();
    };
    dialog.addEventListener("close", leave);
    dialog.querySelector(".shut").addEventListener("click", () => dialog.close());
    const step = (by) => {
      const list = items();
      const at = list.findIndex((item) => `#${item.id}` === decodeURIComponent(location.hash));
      const next = list[(at + by + list.length) % list.length];
      if (next) location.hash = next.id;
    };
    dialog.querySelector(".before").addEventListener("click", () => step(-1));
    dialog.querySelector(".after").addEventListener("click", () => step(1));
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    });
  }
  addEventListener("hashchange", follow);
  follow();

  addEventListener("beforeprint", () => all("details.prints").forEach((part) => { part.open = true; }));
})();
