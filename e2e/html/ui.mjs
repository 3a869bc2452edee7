// Uses homellm ui as a reader does: with the keyboard, at two widths, light and dark, while a run is being played.
// Usage: node ui.mjs CHROMIUM ADDRESS OUT [name of a run that is being played]
import { chromium } from "playwright-core";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

const [executablePath, address, out, live] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const problems = [];
const check = (ok, what) => { if (!ok) problems.push(what); };
const origin = new URL(address).origin;

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  if (live) await following();
  for (const [size, viewport] of [["desktop", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]]) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await browser.newPage({ viewport, colorScheme });
      page.on("request", (r) => check(r.url().startsWith(address) || r.url().startsWith("data:"), `${size}: it loads ${r.url()}`));
      page.on("console", (m) => check(m.type() !== "error", `${size}: console: ${m.text()}`));
      page.on("pageerror", (e) => check(false, `${size}: script: ${e}`));
      await page.goto(address);
      await look(page, `list-${size}-${colorScheme}`);
      await page.locator("table.runs tbody a[href^=run]").last().click();
      await look(page, `run-${size}-${colorScheme}`);
      await page.getByRole("link", { name: "Over all its runs" }).click();
      await look(page, `history-${size}-${colorScheme}`);
      const top = await page.locator("main .scroll td").first().evaluate((e) => e.getBoundingClientRect().top);
      check(top < viewport.height, `${size}: the first number of a history stands ${top} px down`);
      await page.getByRole("combobox", { name: "Figure" }).selectOption({ index: 1 });
      await page.getByRole("button", { name: "Show" }).click();
      check(await page.locator("figure").count() >= 1, "a single figure is not shown");
      await page.getByRole("link", { name: "All runs" }).click();
      await page.getByRole("button", { name: "Show side by side" }).click();
      await look(page, `diff-${size}-${colorScheme}`);
      await page.close();
    }
  }
  await keyboard();
  await filtered();
  await strangers();
} finally {
  await browser.close();
}
for (const p of problems) console.error(`ui: ${p}`);
process.exit(problems.length ? 1 : 0);

// look holds every page to one heading, named controls, unique ids and the width of its screen.
async function look(page, name) {
  await page.screenshot({ path: join(out, `ui-${name}.png`), fullPage: true });
  const found = await page.evaluate(() => {
    const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    const named = (e) => e.getAttribute("aria-label") || e.labels?.[0]?.textContent.trim() || e.textContent.trim();
    return {
      headings: document.querySelectorAll("h1").length, mains: document.querySelectorAll("main").length,
      nameless: [...document.querySelectorAll("input:not([type=hidden]), select, button, a, progress, [role=region], nav, form")].filter((e) => !named(e)).map((e) => e.outerHTML.slice(0, 80)),
      twice: ids.length - new Set(ids).size,
      wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      cut: [...document.querySelectorAll(".scroll")].filter((s) => s.clientWidth > 0 && innerWidth < 600 && s.scrollWidth > s.clientWidth + 1).map((s) => s.getAttribute("aria-label")),
    };
  });
  check(found.headings === 1 && found.mains === 1, `${name}: ${found.headings} <h1>, ${found.mains} <main>`);
  check(found.nameless.length === 0, `${name}: without a name: ${found.nameless.join(" ")}`);
  check(found.twice === 0, `${name}: an id is used twice`);
  check(found.wide <= 0, `${name}: ${found.wide} px wider than the screen`);
  check(found.cut.length === 0, `${name}: these tables lose columns: ${found.cut.join(", ")}`);
}

// Everything can be reached and used with the keyboard alone.
async function keyboard() {
  const page = await browser.newPage();
  await page.goto(address);
  await page.keyboard.press("Tab");
  check(await page.evaluate(() => document.activeElement.className) === "skip", "the first stop does not skip to the runs");
  const stops = new Set();
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press("Tab");
    stops.add(await page.evaluate(() => { const e = document.activeElement; return e.name || e.textContent.trim().slice(0, 40); }));
  }
  for (const stop of ["q", "scenario", "verdict", "Filter", "old", "new", "Show side by side"]) check(stops.has(stop), `the keyboard does not reach ${stop}`);
  await page.getByRole("searchbox", { name: "Words" }).focus();
  await page.keyboard.type("no such run");
  await page.keyboard.press("Enter");
  await page.getByText("No run matches").waitFor();
  await page.close();
}

async function filtered() {
  const page = await browser.newPage();
  await page.goto(address);
  const all = await page.locator("table.runs tbody tr").count();
  const scenarios = page.getByRole("combobox", { name: "Scenario" });
  await scenarios.selectOption({ index: 1 });
  await page.getByRole("button", { name: "Filter" }).click();
  const some = await page.locator("table.runs tbody tr").count();
  check(some > 0 && some < all, `a filter by scenario leaves ${some} of ${all} runs`);
  await page.close();
}

// Nothing is shown without the token, and the pages stand in no frame of another page.
async function strangers() {
  const page = await browser.newPage();
  const answer = await page.goto(origin + "/");
  check(answer.status() === 404, `without a token the answer is ${answer.status()}`);
  await page.setContent(`<iframe src="${address}"></iframe>`);
  await page.waitForTimeout(500);
  const framed = await Promise.all(page.frames().slice(1).map((f) => f.locator("table.runs").count().catch(() => 0)));
  check(framed.every((n) => n === 0), "the pages stand in a frame of another page");
  await page.close();
}

// A run that is being played moves on without being loaded again, can be paused, and ends as its report.
async function following() {
  const page = await browser.newPage();
  const at = `${address}run?name=${encodeURIComponent(live)}`;
  for (let tries = 0; tries < 50 && !(await page.goto(at)).ok(); tries++) await page.waitForTimeout(200); // it may only be beginning
  const text = page.locator("#live-text");
  await text.waitFor();
  await look(page, "live");
  const first = await text.textContent();
  await page.waitForFunction((was) => document.getElementById("live-text")?.textContent !== was, first, { timeout: 60000 });
  await page.getByRole("button", { name: "Pause updates" }).click();
  check(await page.getByRole("button", { name: "Go on updating" }).getAttribute("aria-pressed") === "true", "a pause is not told");
  await page.getByRole("button", { name: "Go on updating" }).click();
  await page.waitForFunction(() => !document.getElementById("live") && document.querySelector(".badge")?.textContent === "PASS", null, { timeout: 120000 });
  await page.close();
}
