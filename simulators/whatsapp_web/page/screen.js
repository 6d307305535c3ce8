'use strict';
// What a person sees: the QR code or the pairing code, then the chats.
__d('SimScreen', (exports) => {
  const { Socket } = require('WAWebSocketModel');
  const { Conn } = require('WAWebConnModel');
  const { ChatCollection } = require('WAWebChatCollection');
  const { MsgCollection } = require('WAWebMsgCollection');
  let code = null;
  let drawn = 0;

  const element = (name, text, ...children) => {
    const made = document.createElement(name);
    if (text !== null) made.textContent = text;
    made.append(...children);
    return made;
  };
  const card = (...children) => {
    const made = element('section', null, ...children);
    made.className = 'card';
    return made;
  };
  const note = (text) => {
    const made = element('p', text);
    made.className = 'note';
    return made;
  };

  const qrText = async () => {
    const { encodeB64 } = require('WABase64');
    const noise = await require('WAWebUserPrefsInfoStore').waNoiseInfo.get();
    const registration = await require('WAWebSignalStoreApi').waSignalStore.getRegistrationInfo();
    return [
      Conn.ref, encodeB64(noise.staticKeyPair.pubKey), encodeB64(registration.identityKeyPair.pubKey),
      require('WAWebUserPrefsMultiDevice').getADVSecretKey(), require('WAWebCompanionRegClientUtils').DEVICE_PLATFORM,
    ].join(',');
  };

  const unpaired = async () => {
    if (code) {
      const shown = element('p', `${code.slice(0, 4)}-${code.slice(4)}`);
      shown.className = 'code';
      return [card(element('h1', 'Enter this code on your phone'), shown)];
    }
    if (!Conn.ref) return [card(element('h1', 'QR code expired'), note('Click to reload it'))];
    const text = await qrText();
    const canvas = require('SimQr').draw(text);
    canvas.dataset.ref = text;
    return [card(element('h1', 'Scan to log in'), canvas, note('Simulated WhatsApp Web: scan it by the control API'))];
  };

  const preview = (msg) => {
    if (!msg) return '';
    const text = msg.caption ?? (msg.type === 'chat' ? msg.body : null) ?? msg.pollName ?? msg.vcardFormattedName ?? `[${msg.type}]`;
    return `${msg.id.fromMe ? ['🕓', '✓', '✓✓', '✓✓', '✓✓'][Math.max(msg.ack ?? 0, 0)] : ''} ${text}`;
  };

  const ready = () => {
    const rows = ChatCollection.toArray().sort((a, b) => (b.t ?? 0) - (a.t ?? 0)).slice(0, 100).map((chat) => {
      const row = element('li', null, element('b', chat.formattedTitle), element('small', chat.t ? new Date(chat.t * 1000).toLocaleTimeString() : ''));
      row.append(element('span', preview(chat.msgs.last())));
      if (chat.unreadCount > 0) row.append(element('i', String(chat.unreadCount)));
      return row;
    });
    const header = element('header', null, element('b', Conn.pushname ?? ''), element('span', `+${Conn.wid?.user ?? ''}`));
    return [header, rows.length ? element('ul', null, ...rows) : note('No chats yet')];
  };

  const content = async () => {
    if (['UNPAIRED', 'UNPAIRED_IDLE'].includes(Socket.state)) return unpaired();
    if (Socket.state === 'CONNECTED') return Socket.hasSynced ? ready() : [note(`Loading your chats ${require('WAWebOfflineHandler').OfflineMessageHandler.percent} %`)];
    return [note(Socket.state)];
  };

  // Many changes make one picture; drawing must not cost the sends anything.
  const draw = async () => {
    drawn = 0;
    document.querySelector('#app')?.replaceChildren(...(await content()));
  };
  const soon = () => { drawn ||= setTimeout(draw, 400); };

  exports.code = (value) => { code = value; soon(); };
  Socket.on('change', soon);
  Conn.on('change:ref', soon);
  ChatCollection.on('add change', soon);
  MsgCollection.on('add change:ack change:body change:type', soon);
});
