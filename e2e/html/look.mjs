// Opens a report as a reader does and checks what only a browser can tell: every chart is there,
// has a size, a title and a table; the filters work; nothing is loaded; it opens fast and fits a
// phone, where its first number stands on the first screen. Usage: node look.mjs CHROMIUM REPORT.html OUT [milliseconds it may take to open]
import { chromium } from "playwright-core";
import { mkdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [executablePath, report, out, budget = "2000"] = process.argv.slice(2);
const name = basename(report, ".html");
mkdirSync(out, { recursive: true });

// The charts that a page of this name must have, by the beginning of their titles.
const turns = ["Time to first token", "Decode speed", "Context", "Cache hit rate"];
const charted = {
  run: [...turns, "TTFT of each repeat", "Decode speed of each repeat", "Chunks of each request"],
  matrix: [...turns, "GPU power", "GPU memory", "GPU core clock", "GPU memory clock", "GPU temperature"],
  comparison: [...turns, "TTFT by phase"],
  gates: ["Change against the margin", "phases.with_rag.ttft_ms", "phases.with_rag.cache.hit_rate", ...turns],
  baseline: ["Change against the margin", "phases.with_rag.cache.hit_rate"],
  long: [...turns, "Chunks of the slowest requests", "GPU power"],
};

const problems = [];
const check = (ok, what) => { if (!ok) problems.push(what); };

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  for (const [size, viewport] of [["desktop", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]]) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await browser.newPage({ viewport, colorScheme, deviceScaleFactor: size === "phone" ? 2 : 1 });
      page.on("request", (r) => check(/^(file|data):/.test(r.url()), `${size}: it loads ${r.url()}`));
      page.on("console", (m) => check(m.type() !== "error", `${size}: console: ${m.text()}`));
      page.on("pageerror", (e) => check(false, `${size}: script: ${e}`));
      // The quickest of three: a busy machine or a browser that just woke up is not the page's fault.
      let took = Infinity;
      for (let tries = 0; tries < 3 && took > Number(budget); tries++) took = Math.min(took, await opened(page));
      if (size === "desktop" && colorScheme === "light") {
        console.log(`${name}: opened in ${took} ms`);
        check(took < Number(budget), `it opened in ${took} ms, more than ${budget} ms`);
        await charts(page);
        await filters(page);
      }
      if (size === "phone" && colorScheme === "light") await narrow(page, viewport);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      check(wide <= 0, `${size}: the page is ${wide} px wider than the screen`);
      await page.screenshot({ path: join(out, `${name}-${size}-${colorScheme}.png`), fullPage: true });
      await page.close();
    }
  }
  await printed();
  await withoutScript();
} finally {
  await browser.close();
}
for (const p of problems) console.error(`${name}: ${p}`);
process.exit(problems.length ? 1 : 0);

async function charts(page) {
  const found = await page.$$eval("figure:not(.warm)", (all) => all.map((f) => {
    const svg = f.querySelector("svg"), box = svg && svg.getBoundingClientRect();
    const labelled = svg && (svg.getAttribute("aria-labelledby") || "").split(" ").every((id) => document.getElementById(id)?.textContent);
    return { title: f.querySelector("figcaption strong")?.textContent, drawn: Boolean(box && box.width > 100 && box.height > 50 && svg.querySelector("path, rect, line")),
      labelled, cut: [...svg.querySelectorAll("text")].filter((t) => { const b = t.getBoundingClientRect(); return b.width > 0 && (b.left < box.left - 1 || b.right > box.right + 1); }).map((t) => t.textContent),
      rows: f.querySelectorAll("tbody tr").length, caption: Boolean(f.querySelector("table caption")?.textContent) };
  }));
  check(found.length > 0, "there is no chart");
  for (const c of found) {
    check(c.drawn, `chart "${c.title}" is not drawn`);
    check(c.labelled, `chart "${c.title}" has no title and description`);
    check(c.cut.length === 0, `chart "${c.title}" cuts off ${c.cut.join(", ")}`);
    check(c.rows > 0 && c.caption, `chart "${c.title}" has no table`);
  }
  for (const wanted of charted[name] || []) check(found.some((c) => c.title.startsWith(wanted)), `there is no chart "${wanted}"`);
  if (found.some((c) => c.title.startsWith(turns[0]))) check(await page.locator("svg text.step").count() > 0, "no axis names a step");
  console.log(`${name}: ${found.length} charts: ${[...new Set(found.map((c) => c.title))].join(", ")}`);
  for (const tag of ["header", "nav", "main", "footer", "h1"]) {
    check(await page.locator(tag).count() === 1, `there is not one <${tag}>`);
  }
  const ids = await page.$$eval("[id]", (all) => all.map((e) => e.id));
  check(new Set(ids).size === ids.length, "an id is used twice");
}

// On a phone a number stands on the first screen, and no column of a table lies beyond its edge.
async function narrow(page, viewport) {
  if (!["comparison", "gates", "baseline"].includes(name)) {
    const tops = await page.$$eval(".tiles .t-value, main > .card td", (all) => all.map((e) => e.getBoundingClientRect().top));
    check(tops.length > 0 && Math.min(...tops) < viewport.height, `on a phone the first number stands ${Math.min(...tops)} px down`);
  }
  const cut = await page.evaluate(() => {
    const closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((d) => { d.open = true; });
    const out = [...document.querySelectorAll(".scroll")].filter((s) => s.clientWidth > 0 && s.scrollWidth > s.clientWidth + 1)
      .map((s) => s.getAttribute("aria-label"));
    closed.forEach((d) => { d.open = false; });
    return out;
  });
  check(cut.length === 0, `on a phone these tables lose columns: ${cut.join(", ")}`);
}

async function filters(page) {
  if (!(await page.locator("#filters").count())) return;
  const shown = (selector) => page.$$eval(selector, (all) => all.filter((e) => getComputedStyle(e).display !== "none").length);
  const repeat = page.locator("#f-repeat");
  if (await repeat.count()) {
    const one = "svg [data-repeat]:not(.only)", alone = "svg .only[data-repeat]";
    const before = await shown(one);
    check(await shown(alone) === 0, "a single repeat is shown unasked");
    await repeat.selectOption({ index: 1 });
    const after = await shown(one);
    check(after > 0 && after < before, `the filter by repeat leaves ${after} of ${before} groups`);
    if (await page.locator(alone).count()) check(await shown(alone) > 0, "the requests of a single repeat are not shown");
    await page.screenshot({ path: join(out, `${name}-filtered.png`), fullPage: true });
    await repeat.selectOption("");
    check(await shown(one) === before, "the filter by repeat does not let go");
  }
  const warm = page.locator("#f-warm");
  if (await warm.count()) {
    check(await shown("svg .warm") === 0, "warm-ups are shown unasked");
    await warm.check();
    check(await shown("svg .warm") > 0, "warm-ups are not shown when asked for");
    await warm.uncheck();
  }
  const cell = page.locator("#f-cell");
  if (await cell.count()) {
    await cell.selectOption({ index: 1 });
    check(await shown("section.cell") === 1, "the filter by cell does not leave one cell");
    await cell.selectOption("");
  }
}

// opened is how many milliseconds the page takes until it is painted.
async function opened(page) {
  const began = performance.now();
  await page.goto(pathToFileURL(resolve(report)).href, { waitUntil: "load" });
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  return Math.round(performance.now() - began);
}

// On paper every table of a chart is shown whole: nothing is cut off at the edge of the sheet or
// runs into its neighbour, and nothing is left that only a screen can do.
async function printed() {
  const width = 703; // A4 less 12 mm on both sides, at 96 px an inch
  const page = await browser.newPage({ viewport: { width, height: 1032 } });
  await page.goto(pathToFileURL(resolve(report)).href);
  await page.emulateMedia({ media: "print" });
  // whatever this run came to, the longest verdict that a gate can have must fit
  await page.evaluate(() => document.querySelectorAll(".gates .chip").forEach((chip) => { chip.textContent = "? unknown (allowed)"; }));
  const cut = await page.evaluate((width) => [...document.querySelectorAll("figure, .card")].flatMap((card) => {
    const edge = Math.min(width, card.getBoundingClientRect().right) + 1;
    return [...card.querySelectorAll("table, svg")].filter((e) => e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().right > edge)
      .map((e) => card.querySelector("figcaption strong, caption")?.textContent || e.tagName);
  }), width);
  check(cut.length === 0, `printed, these run over their edge: ${[...new Set(cut)].join(", ")}`);
  const tables = await page.$$eval("figure:not(.warm) details:not(.many) table", (all) => all.filter((t) => t.getBoundingClientRect().height > 0).length);
  const asked = await page.$$eval("figure:not(.warm) details:not(.many)", (all) => all.length);
  check(tables === asked, `printed, ${tables} of ${asked} tables of charts are shown`);
  check(!(await page.locator("nav").isVisible()), "printed, the navigation is shown");
  await page.screenshot({ path: join(out, `${name}-print.png`), fullPage: true });
  await page.close();
}

// A reader without scripts sees everything but the filters.
async function withoutScript() {
  const page = await browser.newPage({ javaScriptEnabled: false });
  await page.goto(pathToFileURL(resolve(report)).href);
  check(await page.locator("h1").count() === 1 && await page.locator("svg").first().isVisible(), "without scripts there is no report");
  if (await page.locator("#filters").count()) check(!(await page.locator("#filters").isVisible()), "without scripts there are filters that do nothing");
  await page.close();
}
