// The real whatsapp-web.js on the simulator. It opens https://web.whatsapp.com, which leads to the simulator's TLS port.
import whatsapp from 'whatsapp-web.js';
import { arg, browserArgs, control, equal, eventually, launch, step, PNG } from './judge.mjs';

const { Client, LocalAuth, Location, MessageMedia, Poll } = whatsapp;
const account = arg('account');
const home = `/accounts/${account}`;
const PERSON = '4915112340001';
const CHAT = `${PERSON}@c.us`;

const newClient = (options = {}) => new Client({
  authStrategy: new LocalAuth({ dataPath: arg('profile') }),
  webVersionCache: { type: 'none' },
  puppeteer: {
    ...launch,
    args: [
      ...browserArgs, '--ignore-certificate-errors',
      `--host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:${arg('https-port')}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
    ],
  },
  ...options,
});

// Keeps events from before somebody waits for them; each is handed out once.
const recorder = (client, names) => {
  const seen = [];
  for (const name of names) client.on(name, (...args) => seen.push({ name, args }));
  const take = (name, fits) => {
    const at = seen.findIndex((each) => each.name === name && fits(...each.args));
    return at < 0 ? null : seen.splice(at, 1)[0].args;
  };
  return (name, fits = () => true) => eventually(() => take(name, fits), `seen: ${name}`);
};
const EVENTS = [
  ...['qr', 'authenticated', 'ready', 'message', 'message_create', 'message_ack', 'message_ciphertext', 'message_edit'],
  ...['message_reaction', 'message_revoke_everyone', 'message_revoke_me', 'vote_update', 'change_state', 'disconnected', 'code'],
];
const ledger = async (id) => (await control('GET', `/ledger?account=${account}`)).messages.find((entry) => entry.id === id);
const acted = async (kind) => (await control('GET', `/actions?account=${account}&kind=${kind}`)).actions;
const incoming = (body) => control('POST', `${home}/messages`, { from: PERSON, name: 'Anna', ...body });

let client = newClient();
let event = recorder(client, EVENTS);
const started = client.initialize();

await step('qr', async () => {
  const [qr] = await event('qr');
  equal(qr.split(',').length, 5);
  await control('POST', '/scan', { qr, account });
});
await step('authenticated', () => event('authenticated'));
await step('ready', () => event('ready'));
await step('empty qr after login', () => event('qr', (qr) => qr.startsWith('undefined,')));
await step('info', async () => equal(client.info.wid._serialized, `${account}@c.us`));
await step('state', async () => equal(await client.getState(), 'CONNECTED'));

let sent;
await step('send text', async () => {
  sent = await client.sendMessage(CHAT, 'good morning');
  if (!sent) throw new Error('sendMessage returned nothing');
  await eventually(async () => (await ledger(sent.id.id))?.body === 'good morning', 'in the ledger');
});
if (arg('only') === 'send') {
  await client.destroy();
  process.exit(0);
}
await step('message_create', () => event('message_create', (msg) => msg.id.id === sent.id.id));
await step('ack 1', () => event('message_ack', (msg, ack) => msg.id.id === sent.id.id && ack === 1));
await step('ack 2', () => event('message_ack', (msg, ack) => msg.id.id === sent.id.id && ack === 2));
await step('ack 3', async () => {
  await control('POST', `${home}/messages/${sent.id.id}/ack`, { ack: 'read' });
  await event('message_ack', (msg, ack) => msg.id.id === sent.id.id && ack === 3);
});

let received;
await step('incoming text', async () => {
  const { id } = await incoming({ text: 'hello there' });
  [received] = await event('message', (msg) => msg.id.id === id);
  equal([received.body, received.from, received.type], ['hello there', CHAT, 'chat']);
});
await step('incoming in a group', async () => {
  const { id } = await incoming({ text: 'to all', chat: '120363000000000009@g.us' });
  const [msg] = await event('message', (each) => each.id.id === id);
  equal([msg.from, msg.author], ['120363000000000009@g.us', CHAT]);
});
await step('send to a group', async () => {
  const msg = await client.sendMessage('120363000000000009@g.us', 'answer to all');
  await eventually(async () => (await ledger(msg.id.id))?.chat === '120363000000000009@g.us', 'in the ledger');
});
await step('ciphertext first', async () => {
  const { id } = await incoming({ text: 'not yet readable', ciphertext: true });
  await event('message_ciphertext', (msg) => msg.id.id === id);
  await control('POST', `${home}/messages/${id}/decrypt`);
  const [msg] = await event('message', (each) => each.id.id === id);
  equal(msg.body, 'not yet readable');
});
await step('LID chat', async () => {
  const { id } = await incoming({ from: '223344556677889@lid', text: 'who am I' });
  const [msg] = await event('message', (each) => each.id.id === id);
  const answer = await msg.reply('nobody');
  equal(answer.to, '223344556677889@lid');
});
await step('reply', async () => {
  const reply = await received.reply('I quote you');
  equal((await reply.getQuotedMessage()).id.id, received.id.id);
  await eventually(async () => (await ledger(reply.id.id))?.quoted === received.id.id, 'in the ledger');
});
await step('reaction by me', async () => {
  await received.react('👍');
  await eventually(async () => (await acted('reaction')).some(({ target }) => target === received.id.id), 'in the ledger');
});
await step('reaction by others', async () => {
  await control('POST', `${home}/messages/${sent.id.id}/reaction`, { from: PERSON, text: '🎉' });
  const [reaction] = await event('message_reaction', ({ msgId }) => msgId.id === sent.id.id);
  equal(reaction.reaction, '🎉');
});
await step('getReactions', async () => {
  await sent.reload();
  equal((await sent.getReactions()).map(({ aggregateEmoji }) => aggregateEmoji), ['🎉']);
});
await step('edit by me', async () => {
  equal((await sent.edit('good evening', { linkPreview: false })).body, 'good evening');
  await eventually(async () => (await acted('edit')).some(({ body }) => body === 'good evening'), 'in the ledger');
});
await step('edit by others', async () => {
  await control('POST', `${home}/messages/${received.id.id}/edit`, { text: 'hello again' });
  const [, body, before] = await event('message_edit', (msg) => msg.id.id === received.id.id);
  equal([body, before], ['hello again', 'hello there']);
});
await step('delete for everyone', async () => {
  await sent.delete(true);
  await eventually(async () => (await acted('revoke')).some(({ target }) => target === sent.id.id), 'in the ledger');
});
await step('delete for me', async () => {
  const msg = await client.sendMessage(CHAT, 'only mine');
  await msg.delete(false);
  await event('message_revoke_me', (each) => each.id.id === msg.id.id);
});
await step('revoke by others', async () => {
  await control('POST', `${home}/messages/${received.id.id}/revoke`);
  const [msg] = await event('message_revoke_everyone', (each) => each.id.id === received.id.id);
  equal(msg.type, 'revoked');
});
const sendsFile = async (media, options, kind) => {
  const msg = await client.sendMessage(CHAT, media, options);
  const entry = await eventually(() => ledger(msg.id.id), 'in the ledger');
  equal([entry.kind, entry.media.size_bytes], [kind, Buffer.from(media.data, 'base64').length]);
  return msg;
};
const png = new MessageMedia('image/png', PNG, 'dot.png');
await step('send image', async () => {
  sent = await sendsFile(png, { caption: 'a dot' }, 'image');
  equal((await ledger(sent.id.id)).caption, 'a dot');
});
await step('download sent image', async () => {
  const msg = await client.getMessageById(sent.id._serialized);
  equal((await msg.downloadMedia()).data, PNG);
});
await step('send document', async () => {
  await sendsFile(new MessageMedia('application/pdf', btoa('%PDF-'), 'a.pdf'), { sendMediaAsDocument: true }, 'document');
});
await step('send voice', async () => {
  await sendsFile(new MessageMedia('audio/ogg; codecs=opus', btoa('OggS'), 'a.ogg'), { sendAudioAsVoice: true }, 'ptt');
});
await step('send video', async () => {
  await sendsFile(new MessageMedia('video/mp4', btoa('ftyp'), 'a.mp4'), {}, 'video');
});
await step('download incoming media', async () => {
  const { id } = await incoming({ type: 'image', media: { base64: PNG, mimetype: 'image/png' }, caption: 'for you' });
  const [msg] = await event('message', (each) => each.id.id === id);
  equal([msg.hasMedia, msg.body, (await msg.downloadMedia()).data], [true, 'for you', PNG]);
});
await step('send location', async () => {
  const msg = await client.sendMessage(CHAT, new Location(52.5, 13.4, { name: 'Berlin' }));
  const entry = await eventually(() => ledger(msg.id.id), 'in the ledger');
  equal([entry.kind, entry.content.lat, entry.content.lng], ['location', 52.5, 13.4]);
});
await step('send contact card', async () => {
  const msg = await client.sendMessage(CHAT, await client.getContactById(CHAT));
  equal((await eventually(() => ledger(msg.id.id), 'in the ledger')).kind, 'vcard');
});
await step('poll and vote', async () => {
  const msg = await client.sendMessage(CHAT, new Poll('Tea?', ['yes', 'no']));
  await eventually(() => ledger(msg.id.id), 'in the ledger');
  await control('POST', `${home}/messages/${msg.id.id}/vote`, { from: PERSON, options: ['no'] });
  const [vote] = await event('vote_update');
  equal(vote.selectedOptions.map(({ name }) => name), ['no']);
});
await step('forward', async () => {
  const msg = await client.sendMessage(CHAT, 'pass it on');
  await msg.forward('4915112340002@c.us');
  const all = async () => (await control('GET', `/ledger?account=${account}`)).messages;
  await eventually(async () => (await all()).some(({ forwarded, body }) => forwarded && body === 'pass it on'), 'forwarded');
});
await step('getChats', async () => {
  const ids = (await client.getChats()).map(({ id }) => id._serialized);
  for (const id of [CHAT, '223344556677889@lid', '120363000000000009@g.us']) equal(ids.includes(id), true);
});
await step('fetchMessages', async () => {
  const messages = await (await client.getChatById(CHAT)).fetchMessages({ limit: 8 });
  equal(messages.length, 8);
});
await step('contacts', async () => {
  const contact = await client.getContactById(CHAT);
  equal([contact.pushname, contact.number, contact.isMe], ['Anna', PERSON, false]);
});
await step('number check', async () => {
  const { id } = await control('POST', '/faults', { kind: 'unknown_address', account, address: '4915112349999' });
  equal([await client.isRegisteredUser('4915112340003'), await client.isRegisteredUser('4915112349999')], [true, false]);
  await control('DELETE', `/faults/${id}`);
});
await step('seen and typing', async () => {
  const chat = await client.getChatById(CHAT);
  await chat.sendSeen();
  await chat.sendStateTyping();
  await eventually(async () => (await acted('seen')).length && (await acted('typing')).length, 'in the ledger');
});
await step('socket drop', async () => {
  await control('POST', '/faults', { kind: 'drop', account, s: 0.3 });
  await event('change_state', (state) => state === 'TIMEOUT');
  const msg = await client.sendMessage(CHAT, 'held back');
  equal((await eventually(() => ledger(msg.id.id), 'in the ledger')).copies, 1);
  await event('change_state', (state) => state === 'CONNECTED');
});

await step('restart with the stored session', async () => {
  await started;
  await client.destroy();
  client = newClient();
  event = recorder(client, EVENTS);
  await client.initialize();
  await event('ready');
  equal(client.info.wid._serialized, `${account}@c.us`);
});
await step('unlink by the phone', async () => {
  await control('POST', `${home}/unlink`);
  const [reason] = await event('disconnected');
  equal(reason, 'LOGOUT');
});
await step('qr again', () => event('qr', (qr) => qr.startsWith('2@')));
await step('pairing code', async () => {
  const code = await client.requestPairingCode(account);
  await control('POST', '/pairing-code', { code, account });
  await event('ready');
});
await step('logout', async () => {
  await client.logout();
  equal((await acted('logout')).length, 1);
});
await client.destroy().catch(() => {});
process.exit(0);
