// Opens files in a YAML language server, as an editor does: node editor.mjs FOLDER FILE...
// Each file as it is has no findings. With a key that no schema knows, put at its end, it has one, which shows that the
// schema that the file names was found. Where the cursor stands on an empty line at the end, keys are offered.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const program = join(import.meta.dirname, "node_modules", "yaml-language-server", "bin", "yaml-language-server");
const server = spawn(process.execPath, [program, "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
const deadline = setTimeout(() => fail("the language server did not answer within a minute"), 60_000);

function fail(why) {
  console.error(why);
  server.kill();
  process.exit(1);
}
server.on("exit", (code) => fail(`the language server ended with ${code}`));

// Messages have a header with their length, as in HTTP.
let buffered = Buffer.alloc(0);
const replies = new Map();
const findings = new Map(); // by address and version
server.stdout.on("data", (chunk) => {
  buffered = Buffer.concat([buffered, chunk]);
  for (;;) {
    const end = buffered.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = Number(/Content-Length: (\d+)/i.exec(buffered.subarray(0, end).toString())[1]);
    if (buffered.length < end + 4 + length) return;
    take(JSON.parse(buffered.subarray(end + 4, end + 4 + length).toString()));
    buffered = buffered.subarray(end + 4 + length);
  }
});

function take(message) {
  if (message.method && message.id !== undefined) { // it asks for settings and registers itself
    const empty = message.method === "workspace/configuration" ? message.params.items.map(() => ({})) : null;
    send({ id: message.id, result: empty });
  } else if (message.method === "textDocument/publishDiagnostics") {
    findings.get(message.params.uri)?.(message.params.diagnostics);
  } else if (message.id !== undefined) {
    if (message.error) fail(JSON.stringify(message.error));
    replies.get(message.id)?.(message.result);
  }
}

function send(message) {
  const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
  server.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
  server.stdin.write(body);
}

let asked = 0;
function ask(method, params) {
  const id = ++asked;
  return new Promise((done) => {
    replies.set(id, done);
    send({ id, method, params });
  });
}

// open gives a text its findings.
function open(uri, text) {
  return new Promise((done) => {
    findings.set(uri, done);
    send({ method: "textDocument/didOpen", params: { textDocument: { uri, languageId: "yaml", version: 1, text } } });
  });
}

await ask("initialize", { processId: process.pid, rootUri: pathToFileURL(resolve(folder)).href,
  capabilities: { textDocument: { completion: { completionItem: {} }, publishDiagnostics: {} } } });
send({ method: "initialized", params: {} });
send({ method: "workspace/didChangeConfiguration",
  params: { settings: { yaml: { validate: true, completion: true, schemaStore: { enable: false } } } } });

for (const name of files) {
  const uri = pathToFileURL(resolve(folder, name)).href;
  const text = readFileSync(resolve(folder, name), "utf8");
  const found = await open(uri, text);
  if (found.length) fail(`${name}: ${JSON.stringify(found, null, 1)}`);
  const bad = await open(uri + ".bad.yaml", text.trimEnd() + "\nno_such_key: 1\n");
  if (!bad.some((d) => d.message.includes("no_such_key"))) fail(`${name}: a key that no schema knows is not found`);
  const lines = text.trimEnd().split("\n").length;
  const at = uri + ".open.yaml";
  await open(at, text.trimEnd() + "\n");
  const offered = await ask("textDocument/completion", { textDocument: { uri: at }, position: { line: lines, character: 0 } });
  const keys = offered.items.map((i) => i.label);
  if (!keys.includes("tags") && !keys.includes("noise")) fail(`${name}: no key is offered: ${keys}`);
  console.log(`${name}: no finding, one where there is a mistake, and ${keys.length} keys are offered`);
}
clearTimeout(deadline);
server.removeAllListeners("exit");
server.kill();
