// npm's spdy-transport as a SPDY/3.1 peer of the tests, over stdin and stdout.
//   node spdy-peer.js NODE_MODULES server   answers every stream: echoes its data in capitals, then ends it. Some paths do more:
//       /abort resets it at once, /trailers sends headers before the end, /told tells stderr of its reset, /leave is answered by GOAWAY
//   node spdy-peer.js NODE_MODULES client   opens COUNT streams, sends SIZE bytes on each, prints what came back to stderr
const [, , modules, role, count, size] = process.argv;
const { Duplex } = require('stream');
const transport = require(modules + '/spdy-transport');

const pipe = new Duplex({
  read() { process.stdin.resume(); },
  write(chunk, _encoding, done) { process.stdout.write(chunk, done); },
});
process.stdin.on('data', (chunk) => { if (!pipe.push(chunk)) process.stdin.pause(); });
process.stdin.on('end', () => pipe.push(null));

const connection = transport.connection.create(pipe, { protocol: 'spdy', isServer: role === 'server' });
connection.start(3.1);
connection.on('error', (error) => { console.error('error ' + error.message); process.exit(1); });

if (role === 'server') {
  connection.on('stream', (stream) => {
    stream.on('error', () => {});
    if (stream.path === '/abort') return stream.abort('CANCEL');
    if (stream.path === '/leave') return connection.end();
    if (stream.path === '/told') stream.on('close', () => console.error('gone ' + stream.path));
    stream.respond(200, { 'x-path': stream.path }, () => {});
    stream.on('data', (chunk) => stream.write(chunk.toString().toUpperCase()));
    stream.on('end', () => {
      if (stream.path !== '/trailers') return stream.end();
      stream.sendHeaders({ 'x-sum': '1' }, () => stream.end());
    });
  });
} else {
  for (let number = 0; number < Number(count); number++) {
    connection.request({ method: 'POST', path: '/' + number, headers: { streamtype: 'data' } }, (error, stream) => {
      if (error) { console.error('error ' + error.message); process.exit(1); }
      let heard = 0;
      stream.on('data', (chunk) => { heard += chunk.length; });
      stream.on('end', () => console.error(`${number} ${heard}`));
      stream.end(Buffer.alloc(Number(size), 'x'));
    });
  }
}
