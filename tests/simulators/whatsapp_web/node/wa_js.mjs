// The real wa-js on the simulator, injected before the page loads as bridges do.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import puppeteer from 'puppeteer-core';
import { arg, base, browserArgs, control, equal, eventually, launch, step, within, PNG } from './judge.mjs';

const account = arg('account');
const home = `/accounts/${account}`;
const PERSON = '4915112340001';
const CHAT = `${PERSON}@c.us`;
const OWN_ID = '3EB0000000000000000001';
const OWN = `true_${CHAT}_${OWN_ID}`;
const bundle = readFileSync(createRequire(import.meta.url).resolve('@wppconnect/wa-js'), 'utf8');
const config = 'window.WPPConfig = { disableGoogleAnalytics: true, linkPreviewApiServers: [] };';

let browser;
let page;
const errors = [];
const openPage = async () => {
  browser = await puppeteer.launch({
    ...launch,
    userDataDir: arg('profile'),
    args: [...browserArgs, '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  });
  [page] = await browser.pages();
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.evaluateOnNewDocument(`if (top === window) { ${config} ${bundle} }`);
  await page.goto(`${base}/`);
};
const until = (expression) => page.waitForFunction(expression, { polling: 25, timeout: 8000 });
const run = (act, ...args) => page.evaluate(act, ...args);
const ready = () => until("window.WPP?.isFullReady && require('WAWebSocketModel').Socket.hasSynced");
const ledger = async (id) => (await control('GET', `/ledger?account=${account}`)).messages.find((entry) => entry.id === id);
const acted = async (kind) => (await control('GET', `/actions?account=${account}&kind=${kind}`)).actions;
const incoming = (body) => control('POST', `${home}/messages`, { from: PERSON, name: 'Anna', ...body });
const event = (name, fits) => eventually(() => run(([wanted, source]) => {
  const test = source ? new Function('e', `return ${source}`) : () => true;
  const found = window.heard.findIndex((each) => each.name === wanted && test(each.value));
  return found < 0 ? null : window.heard.splice(found, 1)[0].value ?? true;
}, [name, fits]), `heard: ${name}`);
const listen = () => run(() => {
  window.heard = [];
  const json = (value) => JSON.parse(JSON.stringify(value ?? null));
  const plain = (value) => (value?.proxyName ? { ...json(value), key: String(value.id) } : json(value));
  WPP.onAny((name, value) => window.heard.push({ name: String(name), value: plain(value) }));
});
const idOf = (key) => key.split('_')[2];

await step('bundle is ready at the QR code', async () => {
  await openPage();
  await until('window.WPP?.isFullReady');
  equal(await run(() => [WPP.conn.isAuthenticated(), WPP.conn.isMainReady(), WPP.conn.isMultiDevice()]), [false, true, true]);
});
await step('QR code', async () => {
  const code = await eventually(() => run(() => WPP.conn.getAuthCode()), 'shown');
  equal(code.fullCode.split(',').length, 4);
  await listen();
  await control('POST', '/scan', { qr: code.fullCode, account });
});
await step('authenticated and synced', async () => {
  await event('conn.authenticated');
  await ready();
  await event('conn.stream_mode_changed', "e === 'MAIN'");
  equal(await run(() => [WPP.conn.isAuthenticated(), String(WPP.conn.getMyUserId())]), [true, `${account}@c.us`]);
});
await step('text with an id of ours', async () => {
  const sent = await run((chat, messageId) =>
    WPP.chat.sendTextMessage(chat, 'good morning', { messageId, linkPreview: false, markIsRead: false }), CHAT, OWN);
  equal([sent.id, sent.ack, sent.sendMsgResult.messageSendResult], [OWN, 1, 'OK']);
  equal((await ledger(OWN_ID)).body, 'good morning');
});
await step('the same id again is a copy', async () => {
  await run((chat, messageId) => WPP.chat.sendTextMessage(chat, 'good morning', { messageId, linkPreview: false }), CHAT, OWN);
  const entry = await ledger(OWN_ID);
  equal([entry.copies, entry.different], [2, false]);
  equal(await run((id) => WPP.whatsapp.MsgStore.filter((msg) => String(msg.id) === id).length, OWN), 1);
});
await step('acks', async () => {
  await event('chat.msg_ack_change', 'e.ack === 1');
  await event('chat.msg_ack_change', 'e.ack === 2');
  await control('POST', `${home}/messages/${OWN_ID}/ack`, { ack: 'read' });
  await event('chat.msg_ack_change', 'e.ack === 3');
  equal(await run((id) => WPP.chat.getMessageById(id).then((msg) => msg.ack), OWN), 3);
  equal((await run((id) => WPP.chat.getMessageACK(id), OWN)).participants.length, 1);
});
let received;
await step('incoming text', async () => {
  received = await incoming({ text: 'hello there' });
  const msg = await event('chat.new_message', `e.key === 'false_${CHAT}_${received.id}'`);
  equal([msg.body, msg.type, msg.notifyName], ['hello there', 'chat', 'Anna']);
});
await step('incoming in a group', async () => {
  const { id } = await incoming({ text: 'to all', chat: '120363000000000009@g.us' });
  await event('chat.new_message', `e.key === 'false_120363000000000009@g.us_${id}_${CHAT}'`);
});
await step('ciphertext first', async () => {
  const { id } = await incoming({ text: 'not yet readable', ciphertext: true });
  await event('chat.new_message', `e.type === 'ciphertext' && e.key.includes('${id}')`);
  await control('POST', `${home}/messages/${id}/decrypt`);
  await event('chat.new_message', `e.body === 'not yet readable' && e.key.includes('${id}')`);
});
await step('LID chat', async () => {
  const { id } = await incoming({ from: '223344556677889@lid', text: 'who am I' });
  await event('chat.new_message', `e.key === 'false_223344556677889@lid_${id}'`);
  const sent = await run(() => WPP.chat.sendTextMessage('223344556677889@lid', 'nobody', { linkPreview: false }));
  equal([sent.to, (await ledger(idOf(sent.id))).chat], ['223344556677889@lid', '223344556677889@lid']);
});
await step('a chat that runs under the LID', async () => {
  await control('PATCH', '/settings', { chat_ids: 'lid' });
  const { chat, id } = await incoming({ from: '4915112340004', text: 'by my number' });
  equal(chat.endsWith('@lid'), true);
  await event('chat.new_message', `e.key === 'false_${chat}_${id}'`);
  equal(await run((lid) => WPP.contact.getPnLidEntry(lid).then(({ phoneNumber }) => phoneNumber.id), chat), '4915112340004');
  const found = await run((pn) => WPP.chat.find(pn).then((each) => String(each.id)), '4915112340005@c.us');
  const sent = await run((to) => WPP.chat.sendTextMessage(to, 'by your LID', { linkPreview: false }), found);
  equal([found.endsWith('@lid'), sent.to], [true, found]);
  await control('PATCH', '/settings', { chat_ids: 'pn' });
});
await step('send to a group', async () => {
  const group = '120363000000000009@g.us';
  const sent = await run((to) => WPP.chat.sendTextMessage(to, 'hello @4915112340001', { linkPreview: false }), group);
  const entry = await ledger(idOf(sent.id));
  equal([entry.chat, entry.content.mentionedJidList], [group, [CHAT]]);
});
await step('reply', async () => {
  const quotedMsg = `false_${CHAT}_${received.id}`;
  const sent = await run((chat, id) => WPP.chat.sendTextMessage(chat, 'I quote', { quotedMsg: id, linkPreview: false }), CHAT, quotedMsg);
  equal((await ledger(idOf(sent.id))).quoted, received.id);
  equal(await run((id) => WPP.chat.getQuotedMsg(id).then((msg) => String(msg.id)), sent.id), quotedMsg);
});
await step('incoming reply', async () => {
  const { id } = await incoming({ text: 'I answer', quoted: OWN_ID });
  await event('chat.new_message', `e.key.includes('${id}') && e.quotedStanzaID === '${OWN_ID}'`);
});
await step('edit by me', async () => {
  await run((id) => WPP.chat.editMessage(id, 'good evening', { linkPreview: false }), OWN);
  equal((await acted('edit')).map(({ target, body }) => [target, body]), [[OWN_ID, 'good evening']]);
  equal(await run((id) => WPP.chat.getMessageById(id).then((msg) => msg.body), OWN), 'good evening');
});
await step('edit by others', async () => {
  await control('POST', `${home}/messages/${received.id}/edit`, { text: 'hello again' });
  const edited = await event('chat.msg_edited', `e.id.includes('${received.id}')`);
  equal(edited.msg.body, 'hello again');
});
await step('reactions', async () => {
  await run((id) => WPP.chat.sendReactionToMessage(id, '👍'), `false_${CHAT}_${received.id}`);
  equal((await acted('reaction')).map(({ target, text }) => [target, text]), [[received.id, '👍']]);
  await control('POST', `${home}/messages/${OWN_ID}/reaction`, { from: PERSON, text: '🎉' });
  await event('chat.new_reaction', "e.reactionText === '🎉'");
  equal((await run((id) => WPP.chat.getReactions(id), OWN)).reactions.length, 1);
});
await step('revoke by others', async () => {
  await control('POST', `${home}/messages/${received.id}/revoke`);
  await event('chat.msg_revoke', `e.refId.id === '${received.id}'`);
});
await step('delete for everyone', async () => {
  const done = await run((chat, id) => WPP.chat.deleteMessage(chat, id, false, true), CHAT, OWN);
  equal([done.isRevoked, (await acted('revoke')).map(({ target }) => target)], [true, [OWN_ID]]);
});
const file = async (type, mimetype, more = {}) => {
  const sent = await run((chat, data, options) => WPP.chat.sendFileMessage(chat, data, options),
    CHAT, `data:${mimetype};base64,${PNG}`, { type, mimetype, filename: `dot.${type}`, markIsRead: false, waveform: false, ...more });
  const entry = await ledger(idOf(sent.id));
  equal([entry.media.size_bytes, entry.media.mimetype], [70, mimetype]);
  return { sent, entry };
};
await step('send image with an id of ours', async () => {
  const { entry } = await file('image', 'image/png', { caption: 'a dot', messageId: `true_${CHAT}_3EB0000000000000000002` });
  equal([entry.id, entry.kind, entry.caption], ['3EB0000000000000000002', 'image', 'a dot']);
});
await step('send video, audio, voice, document, sticker', async () => {
  const kinds = [
    ['video', 'video/mp4', {}, 'video'], ['audio', 'audio/mpeg', {}, 'audio'], ['audio', 'audio/ogg', { isPtt: true }, 'ptt'],
    ['document', 'application/pdf', {}, 'document'], ['sticker', 'image/webp', {}, 'sticker'],
  ];
  for (const [type, mimetype, more, kind] of kinds) equal((await file(type, mimetype, more)).entry.kind, kind);
});
await step('download media', async () => {
  const { id } = await incoming({ type: 'document', media: { base64: btoa('for you'), filename: 'a.txt', mimetype: 'text/plain' } });
  await event('chat.new_message', `e.key.includes('${id}') && e.filename === 'a.txt'`);
  const blob = (key) => WPP.chat.downloadMedia(key).then((each) => WPP.util.blobToBase64(each));
  equal(await run(blob, `false_${CHAT}_${id}`), `data:text/plain;base64,${btoa('for you')}`);
});
await step('location, contact, contacts', async () => {
  const sent = await run(async (chat) => [
    await WPP.chat.sendLocationMessage(chat, { lat: 52.5, lng: 13.4, name: 'Berlin', address: 'Mitte' }),
    await WPP.chat.sendVCardContactMessage(chat, { id: chat, name: 'Anna' }),
    await WPP.chat.sendVCardContactMessage(chat, [{ id: chat, name: 'Anna' }, { id: '4915112340002@c.us', name: 'Bert' }]),
  ].map(({ id }) => id), CHAT);
  const entries = await Promise.all(sent.map((id) => ledger(idOf(id))));
  equal(entries.map(({ kind }) => kind), ['location', 'vcard', 'multi_vcard']);
  equal(entries[0].content.loc, 'Berlin\nMitte');
});
await step('poll and vote', async () => {
  const sent = await run((chat) => WPP.chat.sendCreatePollMessage(chat, 'Tea?', ['yes', 'no'], { selectableCount: 1 }), CHAT);
  await control('POST', `${home}/messages/${idOf(sent.id)}/vote`, { from: PERSON, options: ['no'] });
  await event('chat.poll_response');
  const { votes } = await run((id) => WPP.chat.getVotes(id), sent.id);
  equal(votes[0].selectedOptions[1].name, 'no');
});
await step('forward', async () => {
  const { id } = await incoming({ text: 'pass it on' });
  await event('chat.new_message', `e.key.includes('${id}')`);
  await run((key) => WPP.chat.forwardMessages('4915112340002@c.us', [key]), `false_${CHAT}_${id}`);
  const { messages } = await control('GET', `/ledger?account=${account}`);
  equal(messages.filter(({ forwarded }) => forwarded).map(({ chat, body }) => [chat, body]), [['4915112340002@c.us', 'pass it on']]);
});
await step('seen, typing, presence', async () => {
  await run(async (chat) => {
    await WPP.chat.markIsRead(chat);
    await WPP.chat.markIsComposing(chat);
    await WPP.chat.markIsPaused(chat);
    await WPP.conn.markAvailable();
  }, CHAT);
  equal((await acted('typing')).map(({ state }) => state), ['composing', 'paused']);
  equal((await acted('seen')).length > 0, true);
  await control('POST', `${home}/presence`, { from: PERSON, state: 'composing' });
  await event('chat.presence_change', "e.state === 'typing'");
});
await step('number check', async () => {
  await control('POST', '/faults', { kind: 'unknown_address', account, address: '4915112349999' });
  equal(await run(async () => [
    Boolean(await WPP.contact.queryExists('4915112340003@c.us')), await WPP.contact.queryExists('4915112349999@c.us'),
  ]), [true, null]);
});
await step('chats and history', async () => {
  equal(await run((chat) => WPP.chat.list().then((all) => all.some(({ id }) => String(id) === chat)), CHAT), true);
  const { messages } = await control('GET', `${home}/messages?chat=${CHAT}`);
  const ids = await run((chat) => WPP.chat.getMessages(chat, { count: -1 }).then((all) => all.map(({ id }) => id.id)), CHAT);
  equal(ids.toSorted(), messages.map(({ id }) => id).toSorted());
});
await step('a send while the link is down', async () => {
  await control('POST', '/faults', { kind: 'drop', account, s: 0.3 });
  await until("require('WAWebSocketModel').Socket.state === 'TIMEOUT'");
  const sent = await run((chat) => WPP.chat.sendTextMessage(chat, 'held back', { waitForAck: false, linkPreview: false }), CHAT);
  equal(sent.ack, 0);
  await eventually(async () => (await ledger(idOf(sent.id)))?.copies === 1, 'in the ledger');
});
await step('a send left behind by a closed browser', async () => {
  await control('POST', '/faults', { kind: 'state', account, state: 'TIMEOUT', times: 1 });
  await until("require('WAWebSocketModel').Socket.state === 'TIMEOUT'");
  const id = await run((chat) => WPP.chat.sendTextMessage(chat, 'left behind', { waitForAck: false, linkPreview: false }).then((each) => each.id), CHAT);
  await browser.close();
  await openPage();
  await ready();
  await eventually(async () => (await ledger(idOf(id)))?.copies === 1, 'in the ledger');
  equal(await run((key) => WPP.chat.getMessageById(key).then((msg) => [msg.body, msg.ack > 0]), id), ['left behind', true]);
});
await step('the restored page knows a message by its id', async () => {
  equal(await run((id) => WPP.chat.getMessageById(id).then((msg) => msg.type), OWN), 'revoked');
});
await step('unlink by the phone', async () => {
  await control('POST', `${home}/unlink`);
  await until("location.search.includes('post_logout=1') && window.WPP?.isFullReady");
});
await step('pairing code', async () => {
  await eventually(() => run(() => WPP.conn.getAuthCode()), 'shown');
  const code = await run((phone) => WPP.conn.genLinkDeviceCodeForPhoneNumber(phone), account);
  await control('POST', '/pairing-code', { code, account });
  await ready();
});
await step('logout', async () => {
  await run(() => { WPP.conn.logout(); });
  await until("location.search.includes('post_logout=1')");
  equal((await acted('logout')).length, 1);
});
await step('nothing was missing', async () => equal([...new Set(errors)], []));
await within(browser.close(), 'close').catch(() => {});
process.exit(0);
