"use strict";
(() => {
  const pause = document.getElementById("live-pause");
  if (!pause) return;
  let stopped = false;
  pause.hidden = false;
  pause.addEventListener("click", () => {
    stopped = !stopped;
    pause.textContent = stopped ? "Go on updating" : "Pause updates";
    pause.setAttribute("aria-pressed", String(stopped));
    if (!stopped) look();
  });
  const said = (d) => [...d.querySelectorAll("summary")].map((s) => s.textContent);
  const look = async () => {
    if (stopped) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok && !page.getElementById("live")) { location.reload(); return; }
      const main = document.getElementById("main"), now = page.getElementById("main"), text = page.getElementById("live-text");
      if (answer.ok && now && !stopped) {
        const open = new Set([...main.querySelectorAll("details[open]")].flatMap(said));
        now.querySelectorAll("details").forEach((d) => { if (open.has(said(d)[0])) d.open = true; });
        const held = main.contains(document.activeElement);
        if (!held) main.replaceChildren(...now.childNodes);
        const bar = document.getElementById("live-bar");
        bar.max = page.getElementById("live-bar").max;
        bar.value = page.getElementById("live-bar").value;
        const shown = document.getElementById("live-text");
        if (shown.textContent !== text.textContent) shown.textContent = text.textContent;
      }
    } catch {
      document.getElementById("live-text").textContent = "homellm ui does not answer any more";
    }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
})();
