// npm's oidc-provider over https on loopback: node oidc.mjs NODE_MODULES CERTIFICATE KEY
// Commands are JSON arrays, one a line on stdin, each answered by one line of JSON on stdout. The end of stdin ends it.
//   ["rotate", keep]  new keys, published beside the former ones (keep: true) or instead of them
//   ["lasting", seconds]  how long id tokens and access tokens of the login's clients last from now on
//   ["counted"]  answers how often /token gave tokens for each grant_type
//   ["mode", "up" | "down" | "hang"]  down: nothing listens; hang: requests are taken and never answered
// The first line on stdout is the issuer. Tokens: client_credentials at /token with `resource`, and in `person` a JSON object
// {audience, algorithm, lasting, claims}; claims go into the JWT access token as they are.
// People log in by code or device code, as client `kubectl` (or `kubectl-access`, whose access tokens are JWTs): any name with any
// password is somebody, of the group engineers.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { generateKeyPairSync } from 'node:crypto';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

console.log = console.info = console.error; // the provider's notices; stdout is for answers alone
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const [modules, certificate, key] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));

let generation = 0;

function newKeys() {
  generation += 1;
  const made = [
    ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['EdDSA', generateKeyPairSync('ed25519')],
  ];
  return made.map(([alg, pair]) => ({ ...pair.privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${generation}` }));
}

let lifetime = 3600;
const counted = {};
const people = ['kubectl', 'kubectl-access'];
const isPerson = (ctx) => people.includes(ctx.oidc.client?.clientId);
const personOf = (ctx) => JSON.parse(ctx.oidc.body?.person ?? '{}');

function newProvider(issuer, keys) {
  const made = new Provider(issuer, {
    jwks: { keys },
    clients: [{
      client_id: 'l7gw-tests', client_secret: 'of-no-use-elsewhere', token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    }, ...people.map((name) => ({
      client_id: name, token_endpoint_auth_method: 'none', application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      redirect_uris: ['http://127.0.0.1/callback'], response_types: ['code'],
    }))],
    claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: false,
    findAccount: (ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: id, email_verified: true, groups: ['engineers'] }),
    }),
    ttl: { IdToken: () => lifetime, DeviceCode: 600, Grant: 86400, Session: 86400, Interaction: 3600, RefreshToken: 86400 },
    cookies: { keys: ['of-no-use-elsewhere'] },
    features: {
      devInteractions: { enabled: true },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx) => (ctx.oidc.client?.clientId === 'kubectl-access' ? 'https://l7gw.example.com' : undefined),
        useGrantedResource: () => true,
        getResourceServerInfo(ctx) {
          const { audience = 'l7gw', algorithm = 'RS256', lasting = lifetime } = personOf(ctx);
          return { audience, scope: '', accessTokenFormat: 'jwt', accessTokenTTL: lasting, jwt: { sign: { alg: algorithm } } };
        },
      },
    },
    formats: {
      customizers: { jwt(ctx, token, jwt) { Object.assign(jwt.payload, isPerson(ctx) ? { groups: ['engineers'] } : personOf(ctx).claims); } },
    },
  });
  made.on('grant.success', (ctx) => {
    const kind = ctx.oidc.params.grant_type.split(':').at(-1);
    counted[kind] = (counted[kind] ?? 0) + 1;
  });
  return made;
}

let keys = newKeys();
let answer;
const server = createServer(
  { cert: readFileSync(certificate), key: readFileSync(key) },
  (request, response) => answer?.(request, response),
);
const listen = (port) => new Promise((resolve) => { server.listen(port, '127.0.0.1', resolve); });
await listen(0);
const { port } = server.address();
const issuer = `https://127.0.0.1:${port}`;
let provider = newProvider(issuer, keys).callback();
answer = provider;

const commands = {
  rotate(keep) {
    // the new ones first: oidc-provider signs with the first that fits
    keys = keep ? [...newKeys(), ...keys] : newKeys();
    provider = newProvider(issuer, keys).callback();
    if (answer) answer = provider;
  },
  lasting(seconds) { lifetime = seconds; },
  counted() { return counted; },
  async mode(wanted) {
    answer = wanted === 'hang' ? undefined : provider;
    if (wanted === 'down') {
      const closed = new Promise((resolve) => { server.close(resolve); });
      server.closeAllConnections();
      await closed;
    } else if (!server.listening) {
      await listen(port);
    }
  },
};

say(issuer);
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...given] = JSON.parse(line);
  say(await commands[command](...given) ?? 'done');
}
process.exit(0);
