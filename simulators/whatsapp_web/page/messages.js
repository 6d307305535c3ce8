'use strict';
// Messages: their model, their collection, and their form on the link to the server.
__d('WAWebMsgModel', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');
  const NOTIFICATIONS = new Set(['notification', 'notification_template', 'gp2', 'e2e_notification', 'protocol']);

  class MsgModel extends BaseModel {
    static session = new Set(['mediaData', 'mediaObject', 'senderObj', 'local', 'seq', 'votes', 'pendingAckUpdate']);
    static idClass = require('WAWebMsgKey');

    initialize() {
      require('SimMedia').attach(this);
    }

    get isNotification() { return NOTIFICATIONS.has(this.type); }
    get isSentByMe() { return this.id.fromMe; }
    get isMedia() { return Boolean(this.mediaData); }
    get isStatusV3() { return this.id.remote.isStatus(); }
    get isEphemeral() { return Boolean(this.ephemeralDuration); }
    get sender() { return this.author ?? this.from; }
    get senderObj() { return require('WAWebContactCollection').ContactCollection.gadd(this.sender); }
    get isUnreadType() { return !this.isNotification && this.type !== 'revoked'; }

    safe() { return this; }
    unsafe() { return this; }
    getCollection() { return require('WAWebMsgCollection').MsgCollection; }
    waitForPrep() { return Promise.resolve(); }
    avParams() { return {}; }

    updateAck(ack) {
      if (ack > (this.ack ?? 0) || ack < 0) this.set({ ack });
    }

    downloadMedia(options) { return require('SimMedia').download(this, options); }

    // What a reply to this message carries of it.
    msgContextInfo() {
      const { quotedMsg, quotedStanzaID, quotedParticipant, quotedRemoteJid, ...rest } = this.serialize();
      return {
        quotedMsg: { ...rest, type: this.type },
        quotedStanzaID: this.id.id,
        quotedParticipant: this.sender,
        ...(this.id.remote.isStatus() ? { quotedRemoteJid: this.id.remote } : {}),
      };
    }
  }
  exports.default = defineModel(MsgModel, 'msg', [
    ...['id', 'body', 'type', 'subtype', 't', 'notifyName', 'from', 'to', 'author', 'self', 'ack', 'isNewMsg', 'star'],
    ...['caption', 'clientUrl', 'loc', 'lat', 'lng', 'isLive', 'directPath', 'mimetype', 'filehash', 'encFilehash'],
    ...['size', 'filename', 'mediaKey', 'mediaKeyTimestamp', 'isViewOnce', 'quotedMsg', 'quotedStanzaID'],
    ...['quotedParticipant', 'quotedRemoteJid', 'mentionedJidList', 'vcardList', 'vcardFormattedName', 'hasReaction'],
    ...['protocolMessageKey', 'isForwarded', 'forwardingScore', 'latestEditMsgKey', 'latestEditSenderTimestampMs'],
    ...['pollName', 'pollOptions', 'pollSelectableOptionsCount', 'isUnsentMedia', 'mediaData', 'mediaObject', 'local'],
  ]);
});

__d('WAWebMsgCollection', (exports) => {
  const { BaseCollection } = require('WAWebBaseCollection');
  const MsgKey = require('WAWebMsgKey');

  class MsgCollection extends BaseCollection {
    static model = require('WAWebMsgModel').default;
    _byId = Object.create(null);

    _addOne(each, options) {
      const before = this.length;
      const msg = super._addOne(each, { ...options, silent: true });
      if (this.length === before) return msg;
      this._byId[msg.id.id] = [...(this._byId[msg.id.id] ?? []), msg];
      require('WAWebChatCollection').ChatCollection.get(msg.id.remote)?.hold(msg);
      if (!options.silent) this.trigger('add', msg, this, options);
      return msg;
    }

    remove(given) {
      super.remove(given);
      for (const { id } of [given].flat()) this._byId[id.id] = this.withId(id.id).filter((msg) => String(msg.id) !== String(id));
    }

    // By the id that sender and receiver share: the key differs with direction and participant.
    withId(id) {
      return this._byId[id] ?? [];
    }

    // Incoming messages come through here; wa-js wraps it to hear of revokes.
    async processMultipleMessages(chat, msgs, options) {
      return require('SimReceive').process(chat, msgs, options);
    }

    async getMessagesById(keys) {
      const ids = keys.map((key) => MsgKey.fromString(String(key)).id);
      const found = await require('SimLink').ask('by_ids', { ids });
      return { messages: found.map((m) => this.get(require('SimWire').key(m)) ?? this.add(require('SimWire').attributes(m), { silent: true })) };
    }

    async search(text, page = 1, count = 50, chat = null) {
      const found = await require('SimLink').ask('search', { text, count: page * count, chat: chat ? String(chat) : null });
      const models = found.map((m) => this.get(require('SimWire').key(m)) ?? new this.modelClass(require('SimWire').attributes(m)));
      return { messages: models.slice((page - 1) * count), eof: models.length < page * count };
    }

    hasSynced() { return require('WAWebSocketModel').Socket.hasSynced; }
  }
  // The class itself is no longer exported since July 2026.
  if (window.__simulator.keys === 'old') exports.MsgCollectionImpl = MsgCollection;
  exports.MsgCollection = new MsgCollection();
});

// Between a message's attributes in the page and its JSON on the link.
__d('SimWire', (exports) => {
  const { createWid } = require('WAWebWidFactory');
  const { encodeB64, decodeB64 } = require('WABase64');
  const MsgKey = require('WAWebMsgKey');
  const Wid = require('WAWebWid');
  const BaseModel = () => require('WAWebBaseModel').BaseModel;
  const Collection = () => require('WAWebCollection');

  // Attributes that the envelope carries, or that mean something in this page only.
  const LEFT_OUT = new Set([
    ...['id', 'from', 'to', 'author', 't', 'type', 'ack', 'self', 'local', 'isNewMsg', 'mediaData', 'mediaObject'],
    ...['quotedMsg', 'quotedStanzaID', 'quotedParticipant', 'quotedRemoteJid', 'isUnsentMedia', 'renderableUrl'],
    ...['mediaBlob', 'senderObj', 'seq', 'votes', 'hasReaction', 'latestEditMsgKey', 'isQuotedMsgAvailable'],
  ]);

  const plain = (value) => {
    if (value instanceof Wid || value instanceof MsgKey) return String(value);
    if (value instanceof Uint8Array || value instanceof ArrayBuffer) return { base64: encodeB64(value) };
    if (value instanceof BaseModel() || value instanceof Collection() || value instanceof Blob) return undefined;
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value;
    if (Object.getPrototypeOf(value) !== Object.prototype) return undefined;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
  };
  const revived = (value) =>
    (typeof value?.base64 === 'string' && Object.keys(value).length === 1 ? new Uint8Array(decodeB64(value.base64)) : value);

  const content = (attributes) => {
    const result = {};
    for (const [name, value] of Object.entries(attributes)) {
      if (LEFT_OUT.has(name) || value === null || value === undefined) continue;
      const shown = plain(value);
      if (shown !== undefined) result[name] = shown;
    }
    return result;
  };

  exports.fromAttributes = (attributes) => {
    const { id, type, t } = attributes;
    const m = { ...content(attributes), id: id.id, chat: String(id.remote), type, t, from_me: id.fromMe };
    if (id.participant) m.participant = String(id.participant);
    if (attributes.quotedStanzaID) {
      const quoted = attributes.quotedMsg ?? {};
      m.quoted = {
        id: attributes.quotedStanzaID,
        participant: String(attributes.quotedParticipant),
        m: { ...content(quoted), type: quoted.type ?? 'chat' },
      };
    }
    return m;
  };

  exports.key = (m) => new MsgKey({ fromMe: m.from_me, remote: m.chat, id: m.id, participant: m.participant ?? undefined });

  const quote = ({ quoted, chat }) => (quoted ? {
    quotedStanzaID: quoted.id,
    quotedParticipant: createWid(quoted.participant),
    quotedMsg: { ...inner(quoted.m) },
    ...(quoted.m?.chat && quoted.m.chat !== chat ? { quotedRemoteJid: createWid(quoted.m.chat) } : {}),
  } : {});
  const inner = (m = {}) => {
    const { from_me: _f, chat: _c, sender: _s, id: _i, participant: _p, votes: _v, ...rest } = m;
    return rest;
  };

  exports.attributes = (m, isNewMsg = false) => {
    const { id: _id, chat, from_me: fromMe, sender: _s, participant, reactions = {}, quoted: _q, receipts: _r, latestEditId, ...rest } = m;
    const { getMaybeMeLidUser, getMaybeMePnUser } = require('WAWebUserPrefsMeUser');
    const me = chat.endsWith('@lid') ? getMaybeMeLidUser() : getMaybeMePnUser();
    const remote = createWid(chat);
    const fields = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, revived(value)]));
    return {
      ...fields,
      ...quote(m),
      id: exports.key(m),
      from: fromMe ? me : remote,
      to: fromMe ? remote : me,
      ...(participant ? { author: createWid(participant) } : {}),
      ...(fields.mentionedJidList ? { mentionedJidList: fields.mentionedJidList.map(createWid) } : {}),
      ...(latestEditId ? { latestEditMsgKey: exports.key({ ...m, id: latestEditId }) } : {}),
      ...(m.latestEditId ? { latestEditSenderTimestampMs: m.latestEditSenderTimestampMs } : {}),
      self: fromMe ? 'out' : 'in',
      hasReaction: Object.values(reactions).some(({ text }) => text),
      reactions: undefined,
      isNewMsg,
    };
  };
});

__d('WAWebMsgDataFromModel', (exports) => {
  exports.msgDataFromMsgModel = (msg) => ({ ...msg.attributes });
});

__d('WAWebMsgGetters', (exports) => {
  exports.getIsUnreadType = (msg) => msg.isUnreadType;
  exports.getAsMms = (msg) => (msg.mediaData ? msg : null);
});

__d('WAWebMsgReply', (exports) => {
  exports.canReplyMsg = (msg) => !msg.isNotification && !['revoked', 'ciphertext'].includes(msg.type);
});

__d('WAWebQuotedMsgModelUtils', (exports) => {
  const MsgKey = require('WAWebMsgKey');
  exports.getQuotedMsgObj = (msg) => {
    if (!msg.quotedStanzaID) return undefined;
    const { isMeAccount } = require('WAWebUserPrefsMeUser');
    const key = new MsgKey({
      id: msg.quotedStanzaID,
      remote: msg.quotedRemoteJid ?? msg.id.remote,
      fromMe: isMeAccount(msg.quotedParticipant),
      participant: msg.id.remote.isGroup() ? msg.quotedParticipant : undefined,
    });
    const { MsgCollection } = require('WAWebMsgCollection');
    return MsgCollection.get(key) ?? new MsgCollection.modelClass({ ...msg.quotedMsg, id: key, from: msg.quotedParticipant });
  };
});

__d('WAWebMsgActionCapability', (exports) => {
  const EDIT_S = 15 * 60;
  const young = (msg) => Date.now() / 1000 - msg.t < EDIT_S;
  exports.canEditText = (msg) => msg.id.fromMe && msg.type === 'chat' && young(msg);
  exports.canEditCaption = (msg) => msg.id.fromMe && Boolean(msg.mediaData) && msg.type !== 'sticker' && young(msg);
  exports.canSenderRevokeMsg = (msg) => msg.id.fromMe && msg.type !== 'revoked';
  exports.canAdminRevokeMsg = () => false;
  exports.canStarMsg = (msg) => !msg.isNotification;
});
