// Compares the verdicts of two runs: node same.mjs HERE/result.json THERE/result.json
import { readFileSync } from "node:fs";

// told is what must be the same wherever a scenario is played.
function told(path) {
  const run = JSON.parse(readFileSync(path, "utf8"));
  const cells = new Map(run.cells.map((c) => [c.id, JSON.stringify({ ...c.labels, box: undefined }) + " " + c.state]));
  const verdicts = run.assertions.map((a) => [cells.get(a.cell) ?? "", a.conversation, a.step, a.name, a.verdict,
    a.evaluated, a.passed].join(" "));
  return { exit: run.exit_code, verdict: run.verdict, reason: run.reason, cells: [...cells.values()].sort(),
    verdicts: verdicts.sort() };
}

const [here, there] = process.argv.slice(2).map(told);
const boxes = new Set(JSON.parse(readFileSync(process.argv[3], "utf8")).cells.map((c) => c.labels.box));
if (JSON.stringify(here) !== JSON.stringify(there)) {
  const lines = [here, there].map((r) => JSON.stringify(r, null, 1).split("\n"));
  console.error("the runs differ. Here:", lines[0].filter((l) => !lines[1].includes(l)));
  console.error("On the fleet:", lines[1].filter((l) => !lines[0].includes(l)));
  process.exit(1);
}
if (here.verdicts.length < 40 || boxes.size < 2) {
  console.error(`${here.verdicts.length} verdicts were compared, of boxes ${[...boxes].join(", ")}`);
  process.exit(1);
}
console.log(`${here.verdicts.length} verdicts of ${here.cells.length} cells are the same; boxes: ${[...boxes].join(", ")}`);
