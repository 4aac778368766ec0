// Debian's Chromium as a person who logs in: node browser.mjs NODE_MODULES CHROMIUM
// Commands are JSON arrays, one a line on stdin, each answered by one line of JSON on stdout. The end of stdin ends it.
//   ["visit", url, user, code]  opens an address in a browser without a history, and does what a person does on oidc-provider's own
//     pages: types the code of a device, logs in as `user` ("" cancels instead), agrees. Answers [address, text] of the page behind.

import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [modules, executablePath] = process.argv.slice(2);
const { chromium } = await import(pathToFileURL(`${modules}/playwright-core/index.mjs`));
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  ],
});

async function step(page, selector) {
  await Promise.all([page.waitForEvent('framenavigated'), page.click(selector)]);
  await page.waitForLoadState('domcontentloaded');
}

async function visit(url, user, code) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  try {
    const page = await context.newPage();
    await page.goto(url, { waitUntil: 'domcontentloaded' });
    for (let steps = 0; steps < 10; steps += 1) {
      const has = async (selector) => await page.locator(selector).count() > 0;
      if (await has('input[name=login]')) {
        if (!user) {
          await step(page, 'a[href$="/abort"]');
        } else {
          await page.fill('input[name=login]', user);
          await page.fill('input[name=password]', 'of-no-use-elsewhere');
          await step(page, 'button[type=submit]');
        }
      } else if (await has('input[name=user_code][type=text]')) {
        await page.fill('input[name=user_code]', code);
        await step(page, 'button[type=submit]');
      } else if (await has('button[type=submit]')) {
        await step(page, 'button[type=submit]');
      } else {
        return [page.url(), await page.innerText('body')];
      }
    }
    throw new Error(`no end at ${page.url()}`);
  } finally {
    await context.close();
  }
}

say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [, ...given] = JSON.parse(line);
  say(await visit(...given).catch((error) => ['', String(error)]));
}
await browser.close();
process.exit(0);
