// Node's http2 and https with one request a line of stdin; a line of stdout says what came of it.
const fs = require('node:fs');
const http2 = require('node:http2');
const https = require('node:https');

const [url, authority, version] = process.argv.slice(2);
const ca = fs.readFileSync(authority);

function fields(one) {
  const found = {};
  for (const [name, value] of one.headers) (found[name] ??= []).push(value);
  return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, values.length > 1 ? values : values[0]]));
}

function overHttp2(one) {
  return new Promise((done) => {
    const session = http2.connect(url, { ca });
    session.on('error', (error) => done({ status: 0, error: String(error) }));
    const stream = session.request({ ':path': one.path, ...fields(one) });
    let status = 0;
    stream.on('response', (headers) => { status = headers[':status']; });
    stream.on('error', (error) => { session.destroy(); done({ status, error: String(error) }); });
    stream.on('end', () => { session.close(); done({ status, error: '', http: '2' }); });
    stream.resume();
    stream.end();
  });
}

function overHttp1(one) {
  return new Promise((done) => {
    const request = https.request(url + one.path, { ca, headers: fields(one) }, (response) => {
      response.on('end', () => done({ status: response.statusCode, error: '', http: response.httpVersion }));
      response.resume();
    });
    request.on('error', (error) => done({ status: 0, error: String(error) }));
    request.end();
  });
}

async function main() {
  const ask = version === '2' ? overHttp2 : overHttp1;
  for (const line of fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)) {
    let came;
    try {
      came = await ask(JSON.parse(line));
    } catch (error) {
      came = { status: 0, error: String(error) };
    }
    console.log(JSON.stringify(came));
  }
  process.exit(0);
}

main();
