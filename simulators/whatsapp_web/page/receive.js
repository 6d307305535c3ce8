'use strict';
// What the server says about chats and messages, and how it becomes models and events.
__d('SimReceive', (exports) => {
  const link = require('SimLink');
  const wire = require('SimWire');
  const { learn } = require('WAWebLidPnCache');
  const { createWid } = require('WAWebWidFactory');
  const { ChatCollection } = require('WAWebChatCollection');
  const { ContactCollection } = require('WAWebContactCollection');
  const { MsgCollection } = require('WAWebMsgCollection');

  // -- chats ------------------------------------------------

  exports.chat = (shown) => {
    learn(shown.lids);
    const id = createWid(shown.id);
    const known = ChatCollection.get(id);
    const chat = known ?? ChatCollection.add({ id, name: shown.name, t: shown.t, unreadCount: shown.unread }, { silent: true });
    chat.set({ archive: shown.archived, pin: shown.pinned, ...(shown.name ? { name: shown.name } : {}) });
    if (shown.name && !id.isGroup()) chat.contact.set({ name: shown.name });
    if (id.isGroup()) members(chat, shown);
    for (const m of shown.messages ?? []) history(m);
    if (!known) ChatCollection.trigger('add', chat, ChatCollection);
    chat.set({ unreadCount: shown.unread });
    return chat;
  };

  const members = (chat, { name, members: ids }) => {
    chat.groupMetadata.set({ subject: name });
    for (const each of ids) {
      const id = createWid(each);
      ContactCollection.gadd(id);
      chat.groupMetadata.participants.add({ id, isAdmin: false, isSuperAdmin: false });
    }
  };

  exports.snapshot = (chats) => chats.forEach(exports.chat);
  link.on('chat', ({ chat }) => exports.chat(chat));

  // -- messages ------------------------------------------------

  const named = ({ notifyName, sender, from_me: fromMe }) => {
    if (notifyName && sender && !fromMe) ContactCollection.gadd(createWid(sender)).set({ pushname: notifyName });
  };

  const history = (m) => {
    named(m);
    const known = MsgCollection.get(wire.key(m));
    if (known) {
      known.updateAck(m.ack);
      return known;
    }
    const msg = MsgCollection.add(wire.attributes(m));
    for (const [sender, vote] of Object.entries(m.votes ?? {})) require('SimVotes').put(msg, sender, vote);
    return msg;
  };
  exports.history = history;

  const place = ({ m, chat, lids }) => {
    learn(lids);
    if (!ChatCollection.get(createWid(m.chat))) exports.chat({ ...chat, unread: 0 });
    named(m);
  };

  link.on('message', (event) => {
    place(event);
    const attributes = wire.attributes(event.m, true);
    require('WAWebHandleSingleMsg').handleSingleMsg(attributes.id.remote, attributes);
  });
  link.on('history', (event) => {
    place(event);
    history(event.m);
  });

  exports.process = async (_chat, msgs) => {
    const models = [];
    for (const attributes of msgs) {
      if (attributes.type === 'protocol') require('SimChanges').apply(attributes);
      else models.push(MsgCollection.get(attributes.id) ?? MsgCollection.add(attributes));
    }
    return models;
  };

  link.on('decrypted', ({ m }) => {
    const msg = MsgCollection.get(wire.key(m));
    const { id: _id, type, isNewMsg: _new, ...rest } = wire.attributes(m, true);
    msg?.set(rest);
    if (msg) require('SimMedia').attach(msg, type);
    msg?.set({ type });
  });

  link.on('delete', ({ chat, target }) => {
    for (const msg of require('SimChanges').find(chat, target)) require('SimChanges').drop(msg);
  });

  // -- what happens to messages ------------------------------------------------

  link.on('acked', ({ id, ack, t }) => {
    const msg = MsgCollection.withId(id).find((each) => each.id.fromMe);
    msg?.set(t && ack > 0 ? { t } : {});
    msg?.updateAck(ack);
  });

  link.on('receipt', ({ chat, ids, ack, participant, t }) => {
    const from = createWid(chat);
    const names = { 2: null, 3: 'read', 4: 'played' };
    const data = {
      type: 'receipt', stanzaId: ids[0], externalIds: ids, from, ts: t, ack, ackString: names[ack] ?? null,
      participant: from.isGroup() && participant ? createWid(participant) : null, recipient: null, offline: null,
    };
    if (from.isGroup()) require('WAWebHandleGroupReceipt').handleGroupSimpleReceipt(data);
    else require('WAWebHandleChatReceipt').handleChatSimpleReceipt(data);
  });

  // A message of an earlier load that the server does not know yet: the page shows it again, still unacknowledged.
  link.on('resumed', ({ op, m }) => {
    if (op !== 'send' || MsgCollection.get(wire.key(m)) || !ChatCollection.get(createWid(m.chat))) return;
    MsgCollection.add({ ...wire.attributes(m), ack: 0 });
  });
});

__d('WAWebHandleSingleMsg', (exports) => {
  exports.handleSingleMsg = (chat, attributes) =>
    require('WAWebMsgCollection').MsgCollection.processMultipleMessages(chat, [attributes]);
});

(() => {
  const apply = ({ externalIds, from, ack }) => {
    for (const id of externalIds) {
      for (const msg of require('SimChanges').find(String(from), id)) msg.updateAck(ack);
    }
  };
  __d('WAWebHandleChatReceipt', (exports) => { exports.handleChatSimpleReceipt = async (data) => apply(data); });
  __d('WAWebHandleGroupReceipt', (exports) => { exports.handleGroupSimpleReceipt = async (data) => apply(data); });
  __d('WAWebHandleStatusReceipt', (exports) => { exports.handleStatusSimpleReceipt = async (data) => apply(data); });
})();
