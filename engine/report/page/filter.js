"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const form = by("filters");
  const all = (selector) => document.querySelectorAll(selector);
  const closed = () => [...all("details.data:not(.many)")].filter((d) => !d.open);
  let opened = [];
  addEventListener("beforeprint", () => { opened = closed(); opened.forEach((d) => { d.open = true; }); });
  addEventListener("afterprint", () => { opened.forEach((d) => { d.open = false; }); });
  if (!form || !form.querySelector("select, input")) return;
  form.hidden = false;
  form.addEventListener("submit", (e) => e.preventDefault());
  const value = (id) => (by(id) ? by(id).value : "");
  const apply = () => {
    const cell = value("f-cell"), repeat = value("f-repeat"), warm = by("f-warm") && by("f-warm").checked;
    all("section.cell").forEach((s) => { s.hidden = cell !== "" && s.id !== cell; });
    all("[data-repeat]").forEach((e) => {
      const of = e.getAttribute("data-repeat");
      e.classList.toggle("off", repeat !== "" && of !== "" && of !== repeat);
    });
    document.body.classList.toggle("one", repeat !== "");
    document.body.classList.toggle("warmups", Boolean(warm));
    by("f-said").textContent = [repeat && "repeat " + repeat + " alone", warm && "with warm-ups"].filter(Boolean).join(", ");
  };
  form.addEventListener("change", apply);
  apply();
})();
