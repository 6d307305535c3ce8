// Faults as a bridge sees them: wa-js in the page, the control API outside.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import puppeteer from 'puppeteer-core';
import { arg, base, browserArgs, control, equal, eventually, launch, step, within } from './judge.mjs';

const account = arg('account');
const home = `/accounts/${account}`;
const CHAT = '4915112340001@c.us';
const bundle = readFileSync(createRequire(import.meta.url).resolve('@wppconnect/wa-js'), 'utf8');
const args = [...browserArgs, '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'];
const browser = await puppeteer.launch({ ...launch, args, userDataDir: arg('profile') });

const inject = (page) =>
  page.evaluateOnNewDocument(`window.WPPConfig = { disableGoogleAnalytics: true, linkPreviewApiServers: [] }; ${bundle}`);
const newPage = async () => {
  const made = await browser.newPage();
  await inject(made);
  await made.goto(`${base}/`);
  return made;
};
let page = await newPage();
const run = (act, ...more) => page.evaluate(act, ...more);
const until = (expression, on = page) => on.waitForFunction(expression, { polling: 25, timeout: 8000 });
const state = () => run(() => require('WAWebSocketModel').Socket.state);
const ready = (on = page) => until("window.WPP?.isFullReady && require('WAWebSocketModel').Socket.hasSynced", on);
const fault = (kind, more = { account }) => control('POST', '/faults', { kind, ...more });
const clear = () => control('DELETE', '/faults');
const text = (body, waitForAck = false) => run((chat, content, wait) =>
  WPP.chat.sendTextMessage(chat, content, { linkPreview: false, waitForAck: wait, markIsRead: false })
    .then(({ id, ack, sendMsgResult }) => ({ id: id.split('_')[2], ack, result: sendMsgResult?.messageSendResult }), (error) => ({ error: String(error.message ?? error) })), CHAT, body, waitForAck);
const ledger = async (id) => (await control('GET', `/ledger?account=${account}`)).messages.find((entry) => entry.id === id);
const pair = async () => {
  await until('window.WPP?.isFullReady');
  const { fullCode } = await eventually(() => run(() => WPP.conn.getAuthCode()), 'shown');
  await control('POST', '/scan', { qr: fullCode, account });
  await ready();
};

await control('PATCH', '/settings', { sync_s: 0.1 });
await pair();
await text('the first');

await step('any socket state', async () => {
  for (const wanted of ['CONFLICT', 'TIMEOUT', 'OPENING', 'UNPAIRED_IDLE', 'TOS_BLOCK', 'SMB_TOS_BLOCK', 'PROXYBLOCK', 'DEPRECATED_VERSION']) {
    await fault('state', { account, state: wanted });
    await eventually(async () => (await state()) === wanted, wanted);
    if (wanted === 'DEPRECATED_VERSION') equal(await run(() => WPP.conn.needsUpdate()), true);
    await clear();
    await eventually(async () => (await state()) === 'CONNECTED', 'CONNECTED');
  }
});
await step('conflict and takeover', async () => {
  await control('POST', `${home}/second-login`);
  await eventually(async () => (await state()) === 'CONFLICT', 'CONFLICT');
  const { id } = await text('while in conflict');
  await run(() => require('WAWebSocketModel').Socket.takeover());
  await eventually(async () => (await state()) === 'CONNECTED' && ledger(id), 'CONNECTED');
});
await step('another page of the same profile', async () => {
  const other = await newPage();
  await ready(other);
  await eventually(async () => (await state()) === 'CONFLICT', 'CONFLICT');
  await other.close();
  await run(() => require('WAWebSocketModel').Socket.takeover());
  await eventually(async () => (await state()) === 'CONNECTED', 'CONNECTED');
});
await step('stuck at 99 %', async () => {
  await fault('stuck');
  await page.reload();
  await until("window.Debug?.VERSION && require('WAWebOfflineHandler').OfflineMessageHandler.percent === 99");
  equal(await run(() => [require('WAWebSocketModel').Socket.state, require('WAWebSocketModel').Socket.hasSynced]), ['CONNECTED', false]);
  await clear();
  await ready();
});
await step('a server that swallows sends', async () => {
  await fault('swallow', { account, times: 1 });
  const { id, ack } = await text('into the void');
  await eventually(async () => (await ledger(id))?.swallowed === 1, 'swallowed');
  equal([ack, (await control('GET', `${home}/messages`)).messages.some((each) => each.id === id)], [0, false]);
  await fault('drop', { account, s: 0.1 });
  await eventually(async () => (await ledger(id)).copies === 2, 'handed over again');
  await eventually(() => run((key) => WPP.chat.getMessageById(key).then((msg) => msg.ack > 0), `true_${CHAT}_${id}`), 'acknowledged');
});
await step('a lost ack', async () => {
  await fault('lose_ack', { account, times: 1 });
  const { id } = await text('kept');
  await eventually(() => control('GET', `${home}/messages/${id}`).catch(() => null), 'kept');
  await page.reload();
  await ready();
  await eventually(async () => (await ledger(id)).copies === 2, 'handed over again');
  equal((await control('GET', `${home}/messages`)).messages.filter((each) => each.id === id).length, 1);
});
await step('a refused send', async () => {
  await fault('refuse', { account, times: 1 });
  const { ack, result } = await text('no', true);
  equal([ack, result], [-1, 'ERROR_UNKNOWN']);
});
const file = () => run((chat) => WPP.chat.sendFileMessage(chat, 'data:text/plain;base64,YQ==', { type: 'document', filename: 'a.txt' }), CHAT);
await step('upload error', async () => {
  await fault('upload_error', { account, times: 1, status: 503 });
  equal((await file()).sendMsgResult.messageSendResult, 'ERROR_UPLOAD');
  equal((await file()).sendMsgResult.messageSendResult, 'OK');
});
await step('download 404', async () => {
  const media = { base64: btoa('gone'), mimetype: 'image/png' };
  const { id } = await control('POST', `${home}/messages`, { from: CHAT, type: 'image', media });
  await fault('download_404', { account, times: 1 });
  const key = `false_${CHAT}_${id}`;
  await eventually(() => run((each) => WPP.chat.getMessageById(each).then(Boolean, () => false), key), 'here');
  const download = () => run((each) => WPP.chat.downloadMedia(each).then((blob) => blob.size, (error) => error.status), key);
  equal([await download(), await download()], [404, 4]);
});
await step('unknown address', async () => {
  await fault('unknown_address', { account, address: '4915112349999' });
  equal(await run(() => WPP.contact.queryExists('4915112349999@c.us')), null);
  const error = await run(() => WPP.chat.sendTextMessage('4915112349999@c.us', 'x').catch(({ message }) => message));
  equal(error, 'Failed to find or create chat for 4915112349999@c.us');
  await clear();
});
await step('No LID for user', async () => {
  await fault('no_lid', { account, address: '4915112348888' });
  const error = await run(() => WPP.chat.sendTextMessage('4915112348888@c.us', 'x').catch(({ message }) => message));
  equal(error, 'No LID for user');
  await clear();
});
await step('reload', async () => {
  await run(() => { window.here = true; });
  await fault('reload');
  await until('!window.here');
  await ready();
});
await step('memory growth', async () => {
  const size = async () => (await page.metrics()).JSHeapUsedSize;
  const before = await size();
  await fault('memory', { account, mb_per_s: 400, mb_max: 60 });
  await eventually(async () => (await size()) - before > 40e6, 'grown');
});
await step('no receipts', async () => {
  await fault('no_receipts');
  const { id } = await text('alone', true);
  await new Promise((resolve) => setTimeout(resolve, 400));
  equal((await control('GET', `${home}/messages/${id}`)).ack, 1);
  await clear();
});
await step('endless loop', async () => {
  await fault('hang', { account, s: 0.8 });
  await eventually(() => within(state(), 'answer', 300).then(() => false, () => true), 'hanging');
  await eventually(() => state(), 'answering again');
});
await step('slow load', async () => {
  await fault('slow_load', { account, s: 0.6, times: 1 });
  const began = Date.now();
  await page.reload();
  await ready();
  equal(Date.now() - began > 600, true);
});
await step('ban', async () => {
  await run(() => { require('WAWebCmd').Cmd.on('on_temporary_ban', () => localStorage.setItem('banned', '1')); });
  await control('POST', `${home}/ban`);
  await until("location.search.includes('logout_reason=3') && window.WPP?.isFullReady");
  equal(await run(() => localStorage.getItem('banned')), '1');
  const { fullCode } = await eventually(() => run(() => WPP.conn.getAuthCode()), 'shown');
  const refused = await control('POST', '/scan', { qr: fullCode, account }).catch(({ message }) => message);
  equal(refused.includes('403'), true);
});
await step('empty ref', async () => {
  await fault('empty_ref', { times: 1 });
  await run(() => { window.refs = []; require('WAWebConnModel').Conn.on('change:ref', (_conn, ref) => window.refs.push(ref)); });
  await run(() => WPP.conn.refreshQR());
  equal(await run(() => window.refs), ['']);
});
await step('QR codes used up', async () => {
  await control('PATCH', '/settings', { ref_lifetime_s: 0.05, refs_max: 2 });
  await run(() => require('WAWebCmd').Cmd.refreshQR());
  await until("require('WAWebSocketModel').Socket.state === 'UNPAIRED_IDLE'");
  await run(() => require('WAWebCmd').Cmd.refreshQR());
  await until("require('WAWebSocketModel').Socket.state === 'UNPAIRED'");
});
await step('a page that never answers', async () => {
  await fault('no_answer', { times: 1 });
  const answer = await page.goto(`${base}/`, { timeout: 500 }).catch((error) => error.name);
  equal(answer, 'TimeoutError');
});
await within(browser.close(), 'close').catch(() => {});
process.exit(0);
