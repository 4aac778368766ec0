// Logs of Node: console and lines of JSON, errors with their stacks, and what Node itself says with NODE_DEBUG=http,net,module.
// logs.cjs MESSAGES BYTES: writes about BYTES bytes.
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const messages = fs.readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean);
const size = Number(process.argv[3]);

const server = http.createServer((request, response) => {
  console.log(`${request.socket.remoteAddress} - - "${request.method} ${request.url} HTTP/${request.httpVersion}" 200`);
  response.end(JSON.stringify(request.headers));
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  http.get({ host: "127.0.0.1", port, path: "/login?user=ann", headers: { "x-request-id": crypto.randomUUID() } }, (response) => {
    response.resume();
    response.on("end", () => { server.close(); write(); });
  });
});

function write() {
  let written = 0;
  for (let number = 0; written < size; number++) {
    const message = messages[number % messages.length];
    const digest = crypto.createHash("sha512").update(message + number).digest("base64");
    const fields = { level: 30, time: 1795802400000 + number, pid: process.pid, hostname: "web-0", reqId: crypto.randomUUID() };
    const line = JSON.stringify({ ...fields, msg: message, integrity: `sha512-${digest}` });
    console.log(line);
    written += line.length;
    if (number % 7 === 0) console.log("%s %o", message, { number, nested: { key: number, token: undefined, ok: true } });
    if (number % 31 === 0) console.error(new TypeError(message));
  }
}
