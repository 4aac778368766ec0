// An editor's side of yaml-language-server: opens files and prints, as JSON, what each is told, and what the last is offered at its end.
//   node editor.mjs NODE_MODULES FILE...
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, ...files] = process.argv.slice(2);
const server = spawn(process.execPath, [`${modules}/yaml-language-server/bin/yaml-language-server`, "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
const answers = new Map();
const told = new Map();
let got = Buffer.alloc(0);
let last = 0;
let wake = () => {};

function send(message) {
  const text = JSON.stringify({ jsonrpc: "2.0", ...message });
  server.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

function ask(method, params) {
  return new Promise((done) => {
    answers.set(++last, done);
    send({ id: last, method, params });
  });
}

function take(message) {
  if (message.method === "workspace/configuration") send({ id: message.id, result: message.params.items.map(() => ({})) });
  else if (message.method && message.id !== undefined) send({ id: message.id, result: null });
  else if (message.method === "textDocument/publishDiagnostics") told.set(message.params.uri, message.params.diagnostics);
  else if (message.id !== undefined) answers.get(message.id)?.(message.result);
  wake();
}

server.stdout.on("data", (data) => {
  got = Buffer.concat([got, data]);
  for (let head = got.indexOf("\r\n\r\n"); head >= 0; head = got.indexOf("\r\n\r\n")) {
    const end = head + 4 + Number(/Content-Length: (\d+)/.exec(got.subarray(0, head))[1]);
    if (got.length < end) return;
    const message = JSON.parse(got.subarray(head + 4, end));
    got = got.subarray(end);
    take(message);
  }
});

await ask("initialize", { processId: process.pid, rootUri: null, capabilities: {} });
send({ method: "initialized", params: {} });
const urls = files.map((file) => pathToFileURL(file).href);
files.forEach((file, number) => {
  const textDocument = { uri: urls[number], languageId: "yaml", version: 1, text: readFileSync(file, "utf8") };
  send({ method: "textDocument/didOpen", params: { textDocument } });
});
while (!urls.every((url) => told.has(url))) await new Promise((done) => { wake = done; });
const lines = readFileSync(files.at(-1), "utf8").split("\n");
const position = { line: lines.length - 1, character: lines.at(-1).length };
const offered = await ask("textDocument/completion", { textDocument: { uri: urls.at(-1) }, position });
const diagnostics = urls.map((url) => told.get(url).map((one) => `${one.range.start.line + 1}: ${one.message}`));
console.log(JSON.stringify({ diagnostics, offered: (offered.items ?? offered).map((one) => one.label) }));
server.kill();
process.exit(0);
