// Preloaded by `node --require`: what asks by `https.request` asks over HTTP/2. node-fetch, and with it @kubernetes/client-node, knows no
// other way of itself. Upgrades stay as they are; a node:http2 session serves all calls to one host.
const http2 = require('http2');
const https = require('https');
const { Writable } = require('stream');

const HOP_BY_HOP = ['connection', 'host', 'keep-alive', 'transfer-encoding'];
const overHttp1 = https.request;
const sessions = new Map();

function session(options) {
  const host = `https://${options.hostname}:${options.port || 443}`;
  const known = sessions.get(host);
  if (known && !known.closed && !known.destroyed) return known;
  const { ca, cert, key, rejectUnauthorized, servername } = options.agent.options;
  const made = http2.connect(host, { ca, cert, key, rejectUnauthorized, servername });
  sessions.set(host, made);
  return made;
}

https.request = (options, ...more) => {
  const names = Object.keys(options.headers || {});
  if (names.some((name) => name.toLowerCase() === 'upgrade')) return overHttp1(options, ...more);
  const headers = { ':method': options.method, ':path': options.path };
  for (const name of names) if (!HOP_BY_HOP.includes(name.toLowerCase())) headers[name.toLowerCase()] = options.headers[name];
  const connection = session(options);
  const stream = connection.request(headers);
  const request = new Writable({
    write(chunk, encoding, done) { stream.write(chunk, encoding, done); },
    final(done) { if (stream.writableEnded) done(); else stream.end(done); },
  });
  request.abort = () => stream.close(http2.constants.NGHTTP2_CANCEL);
  connection.once('error', (error) => request.emit('error', error));
  stream.on('error', (error) => request.emit('error', error));
  stream.on('response', ({ ':status': status, ...fields }) => {
    request.emit('response', Object.assign(stream, { statusCode: status, statusMessage: '', headers: fields }));
  });
  return request;
};
