// Makes the README's pictures: node pictures.mjs CHROMIUM REPORT.html TERMINAL.txt FOLDER
// report.png is the first screen of a report, terminal.png what a terminal showed, colours included.
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [executablePath, report, terminal, folder] = process.argv.slice(2);

// What homellm writes to a terminal: text with a few colours.
const colours = { 1: "font-weight:bold", 2: "opacity:.7", 31: "color:#f38ba8", 32: "color:#a6e3a1", 33: "color:#f9e2af", 36: "color:#89dceb" };
const text = readFileSync(terminal, "utf8").replaceAll("\r", "").replaceAll("&", "&amp;").replaceAll("<", "&lt;");
let open = 0;
const shown = text.replace(/\x1b\[([0-9;]*)[A-Za-z]/g, (_, codes) => {
  const styles = codes.split(";").map((c) => colours[Number(c)]).filter(Boolean);
  if (!styles.length) return "</span>".repeat(open) + ((open = 0), "");
  open++;
  return `<span style="${styles.join(";")}">`;
});

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage({ viewport: { width: 1100, height: 760 }, colorScheme: "light" });
  await page.goto(pathToFileURL(resolve(report)).href);
  await page.screenshot({ path: join(folder, "report.png") });
  const plain = await browser.newPage({ viewport: { width: 1100, height: 760 } }); // the report allows no style of others
  await plain.setContent(`<body style="margin:0"><pre style="display:inline-block;margin:0;padding:16px;background:#1e1e2e;color:#cdd6f4;
    font:14px/1.35 'DejaVu Sans Mono',monospace">${shown}</pre>`);
  await plain.locator("pre").screenshot({ path: join(folder, "terminal.png") });
} finally {
  await browser.close();
}
