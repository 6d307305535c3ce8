// One phone behind the real whatsapp-web.js, which opens https://web.whatsapp.com: the simulator's TLS port.
// Commands on standard input: `start` (pairs by itself if need be), `send COUNT` of each mode, `stop`; answers JSON.
import { createInterface } from 'node:readline';
import whatsapp from 'whatsapp-web.js';

const { Client, LocalAuth } = whatsapp;
const arg = (name) => process.argv[process.argv.indexOf(`--${name}`) + 1];
const CHATS = [0, 1, 2, 3, 4].map((number) => `491511234000${number}@c.us`);
// What sendMessage waits for: by default that the page has stored the message; it marks the chat as seen before.
const MODES = {
  stored: {},
  'stored, without seen': { sendSeen: false },
  acknowledged: { waitUntilMsgSent: true },
};

const client = new Client({
  authStrategy: new LocalAuth({ dataPath: arg('home') }),
  webVersionCache: { type: 'none' },
  puppeteer: {
    executablePath: arg('chromium'),
    headless: arg('chromium').endsWith('headless-shell') ? 'shell' : true,
    args: [
      ...(process.getuid() === 0 ? ['--no-sandbox'] : []), '--ignore-certificate-errors',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic',
      `--host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:${arg('https-port')}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
    ],
  },
});

const start = async () => {
  const began = performance.now();
  const ready = new Promise((resolve) => { client.once('ready', resolve); });
  client.on('qr', async (qr) => {
    // A second one, beginning with `undefined,`, follows the login.
    if (qr.startsWith('undefined,')) return;
    const body = JSON.stringify({ qr, account: arg('account') });
    const answer = await fetch(`${arg('base')}/control/scan`, { method: 'POST', body });
    if (!answer.ok) throw new Error(await answer.text());
  });
  await client.initialize();
  await ready;
  return { ready_s: (performance.now() - began) / 1000 };
};

const send = async (count) => {
  const taken = Object.fromEntries(Object.keys(MODES).map((mode) => [mode, []]));
  for (let place = 0; place < count; place += 1) {
    for (const [mode, options] of Object.entries(MODES)) {
      const began = performance.now();
      const sent = await client.sendMessage(CHATS[place % CHATS.length], `theirs ${crypto.randomUUID()}`, { ...options });
      taken[mode].push(performance.now() - began);
      if (!sent) throw new Error('sendMessage returned nothing');
    }
  }
  return { taken_ms: taken };
};

for await (const line of createInterface({ input: process.stdin })) {
  const [command, count] = line.split(' ');
  if (command === 'stop') break;
  console.log(JSON.stringify(await (command === 'start' ? start() : send(Number(count)))));
}
await client.destroy();
process.exit(0);
