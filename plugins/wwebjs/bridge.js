// What the gateway sees of WhatsApp Web and does in it; run before wa-js at the start of every document. State and health
// are read from WhatsApp's own modules, so that they work when wa-js does not.
// Module names: wa-js 4.6.0 and whatsapp-web.js 1.34.7, read 2026-11-25.
(emit, config) => {
  'use strict';
  const gateway = {};
  Object.defineProperty(window, '__bisnes', { value: gateway });

  // -- events: numbered, the last ones kept --------------------------------------------------------------------------
  const epoch = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
  const kept = [];
  let seq = 0;
  const tell = (event) => {
    seq += 1;
    const text = JSON.stringify({ epoch, seq, ...event });
    kept.push(text);
    if (kept.length > config.kept) kept.shift();
    emit(text);
  };
  // Events after number `last`, for whoever missed some.
  gateway.since = (last) => kept.slice(Math.max(0, kept.length - (seq - last)));

  // -- small words -----------------------------------------------------------------------------------------------------
  const text = (value) => (value === undefined || value === null ? null : String(value));
  const part = (name) => {
    try {
      if (!window.require?.('__debug')?.modulesMap?.[name]) return null;
      return window.require(name);
    } catch {
      return null;
    }
  };
  const tried = (read, otherwise = null) => {
    try {
      return read() ?? otherwise;
    } catch {
      return otherwise;
    }
  };
  const failure = (code, message) => Object.assign(new Error(message ?? code), { name: 'BridgeError', code });
  const later = (ms) => new Promise((resolve) => { setTimeout(resolve, ms, null); });

  // -- state: read directly ----------------------------------------------------------------------------------------------
  const socket = () => part('WAWebSocketModel')?.Socket;
  const stream = () => part('WAWebStreamModel')?.Stream;
  const conn = () => part('WAWebConnModel')?.Conn;
  const me = () => {
    const prefs = part('WAWebUserPrefsMeUser');
    return {
      phone: tried(() => prefs.getMaybeMePnUser()?.user),
      lid: tried(() => prefs.getMaybeMeLidUser()?.toString()),
    };
  };
  const seen = { logout: null, banned: null, bundle: null, passkey: false };
  const state = () => ({
    version: tried(() => window.Debug.VERSION),
    socket: tried(() => socket().state),
    synced: Boolean(tried(() => socket().hasSynced)),
    mode: tried(() => stream().mode),
    needs_update: Boolean(tried(() => stream().needsUpdate)),
    ref: Boolean(tried(() => conn().ref)),
    // After a logout WhatsApp loads itself with the reason in its address; 3 is a locked account.
    logout: seen.logout ?? (location.search.includes('post_logout=1')
      ? `post_logout ${new URLSearchParams(location.search).get('logout_reason') ?? ''}`.trim() : null),
    online: navigator.onLine,
    banned: seen.banned,
    passkey: seen.passkey,
    attached,
    bundle: seen.bundle,
    restricted_until_s: restriction(),
  });
  // How the page stands, for the heartbeat: it answers whatever else is broken.
  gateway.level = () => ({
    epoch,
    seq,
    ...state(),
    number: me().phone,
    wa_js: tried(() => WPP.version),
    missing: attached && state().synced ? missing() : [],
    unacked_s: unacked(),
    busy: sending.size + Number(looking),
  });
  // An account that may answer but not begin chats: until when, 0 when nobody knows.
  // Source: WhatsApp Web's WAWebReachoutTimelockUtils and its banner, as published by others, read 2026-11-25.
  const restriction = () => tried(() => {
    const lock = part('WAWebUserPrefsIndexedDBStorage').userPrefsIdb.get('WAReachoutTimelockState');
    return lock && (Number(lock.time_enforcement_ends) || 0) / 1000;
  });

  let shown = '';
  const look = () => {
    // A new QR code is news too, though nothing else changes.
    const now = JSON.stringify([state(), tried(() => conn().ref)]);
    if (now === shown) return;
    shown = now;
    tell({ type: 'level' });
  };
  const heard = new Set();
  const listen = (name, model, events) => {
    if (!model?.on || heard.has(name)) return;
    heard.add(name);
    model.on(events, () => queueMicrotask(look));
  };
  const watch = () => {
    if (window.Debug?.VERSION) {
      listen('socket', socket(), 'change:state change:hasSynced');
      listen('stream', stream(), 'change:mode change:needsUpdate');
      listen('conn', conn(), 'change:ref');
      // The telephone's owner has to confirm with a passkey. Source: WhatsApp Web's landing page, as published by
      // others, read 2026-11-25.
      const linking = part('WAWebLinkDeviceEvents')?.WAWebLinkDeviceEvents;
      if (linking?.on && !heard.has('linking')) {
        heard.add('linking');
        linking.on('link_device_events:passkey_prologue_request', () => { seen.passkey = true; queueMicrotask(look); });
      }
      const cmd = part('WAWebCmd')?.Cmd;
      if (cmd?.on && !heard.has('cmd')) {
        heard.add('cmd');
        cmd.on('logout', () => { seen.logout ??= 'logout'; queueMicrotask(look); });
        cmd.on('on_temporary_ban', (ban) => { seen.banned = tried(() => Number(ban.code), 1); queueMicrotask(look); });
      }
    }
    tried(attach);
    look();
    setTimeout(watch, heard.size < 4 || !attached ? 50 : 1000);
  };
  gateway.bundleFailed = (error) => { seen.bundle = text(error?.message ?? error); look(); };

  // -- the self-test -----------------------------------------------------------------------------------------------------
  // Bindings of wa-js without which nothing can be sent or heard; a WhatsApp that renamed one makes it undefined.
  const NEEDED = [
    ...['MsgStore', 'ChatStore', 'ContactStore', 'MsgKey', 'MsgModel', 'Cmd', 'Socket', 'UserPrefs', 'lidPnCache'],
    ...['functions.addAndSendMsgToChat', 'functions.findOrCreateLatestChat', 'functions.queryWidExists'],
    ...['functions.getEphemeralFields', 'functions.sendReactionToMsg', 'functions.canReplyMsg'],
  ];
  const binding = (name) => tried(() => name.split('.').reduce((from, word) => from[word], WPP.whatsapp));
  const missing = () => {
    const found = NEEDED.filter((name) => binding(name) === null);
    if (!binding('functions.msgFindByDirection') && !binding('functions.msgFindQuery')) found.push('functions.msgFind');
    return found;
  };

  // -- people and keys ---------------------------------------------------------------------------------------------------
  const wid = (id) => {
    const made = tried(() => WPP.util.createWid(id));
    if (!made) throw failure('invalid_wid', `${id} is no address`);
    return made;
  };
  const isMe = (id) => {
    const { phone, lid } = me();
    return id === lid || id === `${phone}@c.us`;
  };
  const counterpart = (who) => tried(() => {
    const cache = WPP.whatsapp.lidPnCache;
    return who.isLid() ? cache.getPhoneNumber(who) : cache.getCurrentLid(who);
  });
  // Every name of a person that the page knows.
  const names = (who) => {
    if (!who) return {};
    const id = String(who);
    const other = text(counterpart(wid(id)));
    const all = [id, other].filter(Boolean);
    const contact = tried(() => WPP.whatsapp.ContactStore.get(id)) ?? tried(() => WPP.whatsapp.ContactStore.get(other));
    return {
      phone: all.find((each) => each.endsWith('@c.us'))?.split('@')[0],
      lid: all.find((each) => each.endsWith('@lid')),
      name: text(tried(() => contact.pushname || contact.name)) ?? undefined,
      username: text(tried(() => contact.username)) ?? undefined,
    };
  };
  const keyOf = (id) => WPP.whatsapp.MsgKey.fromString(String(id));
  const deviceless = (id) => String(id).replace(/:\d+@/, '@');

  // -- a message as an event ---------------------------------------------------------------------------------------------
  const SAYING = new Set(['chat', 'list_response', 'buttons_response', 'template_button_reply']);
  const card = (vcard, name) => ({
    name: name || /^FN[^:]*:(.*)$/m.exec(vcard)?.[1]?.trim(),
    phone: /waid=(\d+)/.exec(vcard)?.[1] ?? /^TEL[^:]*:\+?([\d ]+)/m.exec(vcard)?.[1]?.replaceAll(' ', ''),
    vcard,
  });
  const file = (msg) => (msg.mimetype || msg.directPath || msg.mediaKey) && {
    mime_type: text(msg.mimetype) ?? undefined,
    size_bytes: Number(msg.size) || undefined,
    name: text(msg.filename) ?? undefined,
    seconds: Number(msg.duration) || undefined,
    width: msg.width || undefined,
    height: msg.height || undefined,
    gif: Boolean(msg.isGif) || undefined,
  };
  const quoted = (msg) => (msg.quotedStanzaID ? text(tried(() => WPP.chat.getQuotedMsgKey(msg))) : null);
  const writer = (msg) => {
    if (msg.id.fromMe) return String(msg.id.remote).endsWith('@g.us') ? null : msg.id.remote;
    return msg.id.participant ?? msg.author ?? msg.id.remote;
  };
  const dump = (msg) => {
    const who = names(writer(msg));
    return {
      key: deviceless(msg.id),
      type: text(msg.type),
      subtype: text(msg.subtype) ?? undefined,
      at_s: Number(msg.t),
      ack: msg.ack,
      body: SAYING.has(msg.type) ? text(msg.body) : undefined,
      // WhatsApp repeats a document's name as its caption.
      caption: msg.caption && msg.caption !== msg.filename ? text(msg.caption) : undefined,
      participant: text(msg.id.participant) ?? undefined,
      names: { ...who, name: text(msg.notifyName) || who.name },
      quoted: quoted(msg),
      edited: Boolean(msg.latestEditMsgKey) || undefined,
      file: file(msg) || undefined,
      location: msg.type === 'location'
        ? { latitude: msg.lat, longitude: msg.lng, ...place(msg.loc) } : undefined,
      contacts: msg.type === 'vcard' ? [card(msg.body, msg.vcardFormattedName)]
        : msg.vcardList?.map((each) => card(each.vcard, each.displayName)),
      poll: msg.pollName ? {
        question: msg.pollName,
        options: msg.pollOptions?.map((option) => option.name),
        choices_max: msg.pollSelectableOptionsCount,
      } : undefined,
      selected: text(msg.listResponse?.singleSelectReply?.selectedRowId ?? msg.selectedId) ?? undefined,
      mentions: msg.mentionedJidList?.length ? msg.mentionedJidList.map(String) : undefined,
      forwarded: Boolean(msg.isForwarded) || undefined,
      view_once: Boolean(msg.isViewOnce) || undefined,
    };
  };
  const place = (loc) => {
    const [name, ...address] = String(loc ?? '').split('\n');
    return { name: name || undefined, address: address.join(', ') || undefined };
  };
  const messageEvent = (msg) => ({ type: 'message', message: dump(msg), at_ms: Date.now() });
  // Who did something to a message: "" for us.
  const doer = (who) => {
    const id = who ? deviceless(who) : '';
    return !id || isMe(id) ? { by: '' } : { by: id, names: names(id) };
  };

  // -- what is heard -----------------------------------------------------------------------------------------------------
  let attached = false;
  const safely = (handle) => (...args) => {
    try {
      handle(...args);
    } catch (error) {
      tell({ type: 'trouble', what: text(error?.stack ?? error)?.slice(0, 2000) });
    }
  };
  const incoming = safely((msg) => {
    if (sending.has(msg.id.id)) return;
    if (msg.type !== 'ciphertext') {
      tell(messageEvent(msg));
      return;
    }
    // Its real type comes within moments, or hours later when the sender's telephone is on again.
    let late = false;
    const bound = setTimeout(() => { late = true; tell(messageEvent(msg)); }, config.ciphertext_ms);
    msg.once('change:type', () => queueMicrotask(safely(() => {
      clearTimeout(bound);
      tell(messageEvent(msg));
      if (late) edited(msg);
    })));
  });
  const edited = safely((msg) => tell({
    type: 'edited',
    key: deviceless(msg.id),
    text: text(msg.type === 'chat' ? msg.body : msg.caption) ?? '',
    ...(msg.id.fromMe ? { by: '' } : doer(writer(msg))),
    at_ms: Number(msg.latestEditSenderTimestampMs) || Date.now(),
  }));
  const revokedLately = new Set();
  const revoked = safely((key, who) => {
    const id = deviceless(key);
    if (revokedLately.has(id)) return;
    revokedLately.add(id);
    setTimeout(() => revokedLately.delete(id), 60_000);
    tell({ type: 'revoked', key: id, ...doer(who), at_ms: Date.now() });
  });
  const acked = safely((msg) => {
    if (!msg.id.fromMe) return;
    const arrived = waiting.get(msg.id.id);
    if (arrived && (msg.ack >= 1 || msg.ack < 0)) arrived(msg);
    if (msg.ack !== 0) since.delete(msg.id.id);
    tell({ type: 'ack', key: deviceless(msg.id), ack: msg.ack, at_ms: Date.now() });
  });
  const reacted = ({ msgId, reactionText, sender, timestamp }) => ({
    type: 'reaction', key: deviceless(msgId), text: text(reactionText) ?? '', ...doer(sender),
    at_ms: Number(timestamp) > 1e12 ? Number(timestamp) : Number(timestamp) * 1000 || Date.now(),
  });

  const attach = () => {
    if (attached || !window.WPP?.isFullReady) return;
    const { MsgStore } = WPP.whatsapp;
    MsgStore.on('add', (msg) => { if (msg.isNewMsg) queueMicrotask(() => incoming(msg)); });
    MsgStore.on('change:ack', (msg) => queueMicrotask(() => acked(msg)));
    MsgStore.on('change:latestEditMsgKey', (msg) => queueMicrotask(() => edited(msg)));
    MsgStore.on('change:type', (msg) => {
      if (msg.type === 'revoked') queueMicrotask(() => revoked(msg.id, msg.id.fromMe ? null : writer(msg)));
    });
    WPP.on('chat.msg_revoke', safely(({ refId, author, from }) => revoked(refId, refId.fromMe ? null : author ?? from)));
    WPP.on('chat.new_reaction', safely((reaction) => tell(reacted(reaction))));
    WPP.on('chat.poll_response', safely(({ msgId, sender, selectedOptions, timestamp }) => tell({
      type: 'vote', key: deviceless(msgId), ...doer(sender), at_ms: Number(timestamp) || Date.now(),
      options: Object.values(selectedOptions).filter(Boolean).map((option) => option.name),
    })));
    // Receipts for messages that this document does not hold, sent before it was loaded.
    WPP.on('chat.msg_ack_change', safely(({ ids, ack, sender }) => {
      for (const id of ids) {
        const key = String(id);
        if (sender || key.includes('@g.us') || !key.startsWith('true_') || MsgStore.get(id)) continue;
        tell({ type: 'ack', key: deviceless(key), ack, at_ms: Date.now() });
      }
    }));
    attached = true;
  };

  // -- history -----------------------------------------------------------------------------------------------------------
  gateway.chatsSince = (since_s) => WPP.whatsapp.ChatStore.getModelsArray()
    .filter((chat) => (chat.t ?? 0) >= since_s && /@(c\.us|g\.us|lid)$/.test(String(chat.id)))
    .map((chat) => String(chat.id));
  // Everything in a chat since an instant, in the chat's order, with its reactions; `more` when the bound cut it.
  gateway.history = async (chat, since_s, most) => {
    const model = WPP.whatsapp.ChatStore.get(chat);
    let count = 64;
    let found = [];
    for (;;) {
      found = ordered(await WPP.chat.getMessages(chat, { count }));
      if (found.length < count || found[0].t < since_s || count >= most) break;
      count = Math.min(count * 4, most);
    }
    const held = new Set(found.map((msg) => String(msg.id)));
    found.push(...model.msgs.getModelsArray().filter((msg) => !held.has(String(msg.id)) && msg.isNewMsg !== undefined));
    const wanted = ordered(found).filter((msg) => msg.t >= since_s);
    // One that nobody can read is told of as such, like a live one, and does not keep the others back.
    const events = [];
    for (const msg of wanted) safely(() => events.push(messageEvent(msg)))();
    for (const msg of wanted) if (msg.hasReaction) events.push(...await reactions(msg));
    return events;
  };
  const ordered = (msgs) => {
    const rising = msgs.length > 1 && msgs[0].t > msgs.at(-1).t ? msgs.reverse() : msgs;
    return rising.sort((one, other) => one.t - other.t);
  };
  const reactions = async (msg) => {
    try {
      const { reactions: groups } = await WPP.chat.getReactions(String(msg.id));
      return groups.flatMap((group) => group.senders).filter((each) => each.reactionText)
        .map((each) => ({ ...reacted({ ...each, msgId: msg.id }) }));
    } catch {
      return [];
    }
  };

  // -- pairing -----------------------------------------------------------------------------------------------------------
  gateway.qr = async () => {
    const code = await WPP.conn.getAuthCode();
    if (!code?.ref) return null;
    const platform = tried(() => part('WAWebCompanionRegClientUtils').DEVICE_PLATFORM);
    return platform === null ? code.fullCode : `${code.fullCode},${platform}`;
  };
  gateway.pairingCode = (number) => WPP.conn.genLinkDeviceCodeForPhoneNumber(number, true);
  gateway.refreshQr = () => { part('WAWebCmd').Cmd.refreshQR(); };
  gateway.takeOver = () => { socket().takeover(); };
  gateway.logout = () => WPP.conn.logout();

  // -- sending -----------------------------------------------------------------------------------------------------------
  const sending = new Map();
  const waiting = new Map();
  const working = new Set();
  const since = new Map();
  let looking = false;
  const unacked = () => {
    const oldest = Math.min(...since.values());
    return Number.isFinite(oldest) ? (Date.now() - oldest) / 1000 : 0;
  };
  const known = (chat) => {
    const id = wid(chat);
    const other = counterpart(id);
    return WPP.whatsapp.ChatStore.get(id) ?? (other ? WPP.whatsapp.ChatStore.get(other) : undefined);
  };
  const chatFor = async (chat) => {
    const held = known(chat);
    if (held) return held;
    if (chat.endsWith('@c.us')) {
      const exists = await WPP.whatsapp.functions.queryWidExists(wid(chat));
      if (!exists?.wid) throw failure('not_on_whatsapp', `${chat} is not on WhatsApp`);
    }
    return WPP.chat.find(chat);
  };
  const mine = (chat, id) => {
    const prefs = WPP.whatsapp.UserPrefs;
    const lid = prefs.getMaybeMeLidUser();
    const from = chat.id.isGroup() || chat.id.isLid() ? lid ?? prefs.getMaybeMePnUser() : prefs.getMaybeMePnUser();
    const participant = chat.id.isGroup() ? from : undefined;
    return new WPP.whatsapp.MsgKey({ from, to: chat.id, id, participant, selfDir: 'out' });
  };
  const find = async (key) => {
    const held = WPP.whatsapp.MsgStore.get(key) ?? WPP.whatsapp.MsgStore.get(String(key));
    if (held) return held;
    try {
      return await WPP.chat.getMessageById(String(key));
    } catch (error) {
      if (error?.code === 'msg_not_found' || error?.code === 'chat_not_found') return null;
      throw error;
    }
  };
  // A message by its provider message id; keys of our own in groups are kept without the participant.
  const byId = async (id) => {
    const candidates = [id];
    if (/^true_[^_]+@g\.us_[^_]+$/.test(id)) {
      const { phone, lid } = me();
      candidates.unshift(...[lid, phone && `${phone}@c.us`].filter(Boolean).map((who) => `${id}_${who}`));
    }
    for (const candidate of candidates) {
      const msg = await find(keyOf(candidate));
      if (msg) return msg;
    }
    throw failure('message_not_found', `the page has no message ${id}`);
  };
  const told = (key, msg, more = {}) => ({ key: deviceless(key), ack: msg?.ack ?? 0, stored: Boolean(msg), ...more });

  // Whether a message of ours is in its chat. `busy`: this page is still at it.
  gateway.lookUp = async (chat, id) => {
    looking = true;
    try {
      const held = known(chat);
      if (sending.has(id) || working.has(id)) return { busy: true };
      if (!held) return { stored: false };
      const key = mine(held, id);
      return told(key, await find(key));
    } finally {
      looking = false;
    }
  };

  gateway.send = (request) => {
    const { id } = request;
    const running = sending.get(id);
    if (running) return running;
    const mineToo = deliver(request).finally(() => { sending.delete(id); waiting.delete(id); });
    sending.set(id, mineToo);
    return mineToo;
  };
  const deliver = async (request) => {
    const { id, wait_ms } = request;
    const end = later(wait_ms);
    const arrived = new Promise((resolve) => { waiting.set(id, resolve); });
    const chat = await chatFor(request.chat);
    const key = mine(chat, id);
    const held = await withoutFailedUpload(await find(key));
    if (held) {
      if (!held.ack) await Promise.race([arrived, end]);
      return told(key, await find(key), { found: true });
    }
    const options = {
      messageId: key, waitForAck: true, markIsRead: config.mark_read, detectMentioned: false, linkPreview: false,
    };
    if (request.payload.reply_to) options.quotedMsg = await byId(request.payload.reply_to);
    since.set(id, Date.now());
    working.add(id);
    const work = SEND[request.kind](chat, request.payload, options)
      .then((result) => ({ result }), (error) => ({ error: error ?? new Error('unknown') }))
      .finally(() => working.delete(id));
    const first = await Promise.race([arrived, work, end]);
    const msg = await find(key);
    if (first?.error) {
      since.delete(id);
      if (!msg) throw first.error;
    } else if (first?.result !== undefined && !msg) {
      since.delete(id);
      throw failure('sent_nothing', 'sending returned, but there is no message');
    } else if (first?.result !== undefined && !msg?.ack) {
      await Promise.race([arrived, end]);
    }
    const last = await find(key);
    if (last && !await withoutFailedUpload(last)) throw failure('upload_failed', 'the file could not be uploaded');
    return told(key, last);
  };
  // A message whose file was never uploaded never left: it makes room for the next attempt under the same id.
  const withoutFailedUpload = async (msg) => {
    if (!msg || msg.ack > 0 || msg.mediaData?.mediaStage !== 'ERROR_UPLOAD') return msg;
    await WPP.chat.deleteMessage(msg.id.remote, String(msg.id), false, false);
    return null;
  };

  const picked = (payload) => {
    const input = document.getElementById(payload.input);
    const chosen = input?.files?.[0];
    if (!chosen) throw failure('no_file', 'the file did not reach the page');
    return new File([chosen], payload.name, { type: payload.mime_type });
  };
  gateway.makeInput = (id) => {
    const input = Object.assign(document.createElement('input'), { type: 'file', id, hidden: true });
    document.documentElement.append(input);
  };
  gateway.dropInput = (id) => { document.getElementById(id)?.remove(); };
  const sendFile = (type) => async (chat, payload, options) => WPP.chat.sendFileMessage(chat.id, picked(payload), {
    ...options,
    type,
    filename: payload.name,
    mimetype: payload.mime_type,
    caption: payload.caption ?? undefined,
    isPtt: Boolean(payload.voice),
    waveform: Boolean(payload.voice),
  });
  const escaped = (value) => String(value).replace(/[\\,;]/g, '\\$&').replaceAll('\n', '\\n');
  const vcard = ({ name, phone, organisation }) => {
    const digits = phone.replace(/^\+/, '');
    const lines = ['BEGIN:VCARD', 'VERSION:3.0', `N:;${escaped(name)};;;`, `FN:${escaped(name)}`];
    if (organisation) lines.push(`ORG:${escaped(organisation)}`);
    return [...lines, `TEL;type=CELL;type=VOICE;waid=${digits}:+${digits}`, 'END:VCARD'].join('\n');
  };
  // What a forwarded message takes along: its content and the uploaded file, nothing of its history.
  const CARRIED = [
    ...['type', 'subtype', 'body', 'caption', 'filename', 'mimetype', 'size', 'duration', 'width', 'height', 'pageCount'],
    ...['directPath', 'deprecatedMms3Url', 'mediaKey', 'mediaKeyTimestamp', 'filehash', 'encFilehash', 'uploadhash'],
    ...['thumbnail', 'waveform', 'streamingSidecar', 'isGif', 'isAnimated', 'stickerSentTs', 'lat', 'lng', 'loc', 'clientUrl'],
    ...['vcardFormattedName', 'vcardList', 'mediaHandle', 'staticUrl', 'isCaptionByUser', 'preview'],
  ];
  const SEND = {
    text: async (chat, { text: body }, options) => WPP.chat.sendTextMessage(chat.id, body, options),
    image: sendFile('image'),
    video: sendFile('video'),
    audio: sendFile('audio'),
    document: sendFile('document'),
    sticker: sendFile('sticker'),
    location: async (chat, { latitude, longitude, name, address }, options) => WPP.chat.sendLocationMessage(chat.id, {
      ...options, lat: latitude, lng: longitude, name: name ?? undefined, address: address ?? undefined,
    }),
    contacts: async (chat, { contacts }, options) => {
      const cards = contacts.map((contact) => ({ displayName: contact.name, vcard: vcard(contact) }));
      const raw = cards.length === 1
        ? { type: 'vcard', body: cards[0].vcard, vcardFormattedName: cards[0].displayName }
        : { type: 'multi_vcard', vcardList: cards };
      return WPP.chat.sendRawMessage(chat.id, raw, options);
    },
    poll: async (chat, { question, options: names_, choices_max }, options) => WPP.chat.sendCreatePollMessage(
      chat.id, question, names_, { ...options, selectableCount: choices_max ?? 1 },
    ),
    forward: async (chat, { message_id }, options) => {
      const msg = await byId(message_id);
      if (msg.type === 'revoked') throw failure('message_revoked', 'a message that was taken back cannot be forwarded');
      const raw = { isForwarded: true, forwardingScore: (msg.forwardingScore ?? 0) + 1 };
      for (const name of CARRIED) if (msg[name] !== undefined && msg[name] !== null) raw[name] = msg[name];
      return WPP.chat.sendRawMessage(chat.id, raw, options);
    },
  };

  // -- about messages that are there -------------------------------------------------------------------------------------
  gateway.reaction = async (_chat, { message_id, emoji }) => {
    await WPP.chat.sendReactionToMessage(await byId(message_id), emoji);
  };
  gateway.edit = async (_chat, { message_id, text: body }) => {
    const msg = await byId(message_id);
    if (!msg.id.fromMe) throw failure('not_ours', 'only messages of our own can be edited');
    if ((msg.type === 'chat' ? msg.body : msg.caption) === body) return;
    await WPP.chat.editMessage(String(msg.id), body, { linkPreview: false, markIsRead: false, waitForAck: true });
  };
  gateway.delete = async (_chat, { message_id, for_everyone }) => {
    const msg = await byId(message_id);
    if (msg.type === 'revoked' && for_everyone) return;
    if (for_everyone && !msg.id.fromMe) {
      const admin = msg.id.remote.isGroup() && await WPP.group.iAmAdmin(msg.id.remote);
      if (!admin) throw failure('not_ours', 'only its writer or an admin deletes a message for everyone');
    }
    await WPP.chat.deleteMessage(msg.id.remote, String(msg.id), false, for_everyone);
  };
  gateway.read = async (_chat, { message_id, typing }) => {
    const msg = await byId(message_id);
    await WPP.chat.markIsRead(msg.id.remote);
    if (typing) WPP.chat.markIsComposing(msg.id.remote, 25_000).catch(() => null);
  };
  gateway.typing = async (chat, { sign, seconds }) => {
    const { id } = await chatFor(chat);
    const act = { typing: 'markIsComposing', recording: 'markIsRecording', paused: 'markIsPaused' }[sign];
    // It resolves when the sign is taken back, which nobody waits for.
    const shownSign = WPP.chat[act](id, (seconds ?? 25) * 1000);
    shownSign.catch(() => null);
    await Promise.race([shownSign, later(200)]);
  };

  // -- received files ----------------------------------------------------------------------------------------------------
  gateway.download = async (id, name) => {
    const msg = await byId(id);
    const blob = await WPP.chat.downloadMedia(String(msg.id));
    const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 120_000);
    return name;
  };

  tell({ type: 'hello' });
  watch();
}
