'use strict';
// Addresses of people and chats (Wid), and the keys of messages.
__d('WAWebWid', (exports, module) => {
  const serialized = (wid) => (typeof wid === 'string' ? wid : wid?._serialized ?? wid?.toString());
  const at = (wid, server) => serialized(wid)?.endsWith(`@${server}`) ?? false;

  module.exports = class Wid {
    constructor(text) {
      const jid = text.replace('@s.whatsapp.net', '@c.us');
      const split = jid.indexOf('@');
      this.server = jid.slice(split + 1);
      this.user = jid.slice(0, Math.max(split, 0)).split(':')[0];
      this._serialized = `${this.user}@${this.server}`;
    }

    toString() { return this._serialized; }
    toJSON() { return this._serialized; }
    toJid() { return this._serialized.replace('@c.us', '@s.whatsapp.net'); }
    toLogString() { return this._serialized; }
    getDeviceId() { return 0; }
    getSignalAddress() { return `${this.user}.0`; }
    equals(other) { return serialized(other) === this._serialized; }
    isSameAccount(other) { return this.equals(other); }
    isUser() { return this.server === 'c.us' || this.server === 'lid'; }
    isRegularUser() { return this.isUser(); }
    isRegularUserPn() { return this.server === 'c.us'; }
    isUserNotPSA() { return this.isUser() && this.user !== '0'; }
    isLid() { return this.server === 'lid'; }
    isGroup() { return this.server === 'g.us'; }
    isGroupCall() { return false; }
    isBroadcast() { return this.server === 'broadcast'; }
    isBroadcastList() { return this.isBroadcast() && this.user !== 'status'; }
    isStatus() { return this._serialized === 'status@broadcast'; }
    isStatusV3() { return this.isStatus(); }
    isNewsletter() { return this.server === 'newsletter'; }
    isBot() { return this.server === 'bot'; }
    isServer() { return this._serialized === 'server@c.us'; }
    isPSA() { return this._serialized === '0@c.us'; }
    isCompanion() { return false; }
    isOfficialBizAccount() { return false; }
    isHosted() { return false; }
    isCAPISupportAccount() { return false; }

    static isXWid(server, wid) { return at(wid, server); }
    static isWid(wid) { return /^[^@\s]+@[\w.]+$/.test(serialized(wid) ?? ''); }
    static isUser(wid) { return at(wid, 'c.us') || at(wid, 'lid'); }
    static isLid(wid) { return at(wid, 'lid'); }
    static isGroup(wid) { return at(wid, 'g.us'); }
    static isBroadcast(wid) { return at(wid, 'broadcast'); }
    static isStatus(wid) { return serialized(wid) === 'status@broadcast'; }
    static isStatusV3(wid) { return serialized(wid) === 'status@broadcast'; }
    static isNewsletter(wid) { return at(wid, 'newsletter'); }
    static isPSA(wid) { return serialized(wid) === '0@c.us'; }
    static isServer(wid) { return serialized(wid) === 'server@c.us'; }
    static equals(a, b) { return serialized(a) === serialized(b); }
    static user(wid) { return serialized(wid)?.split('@')[0]; }
  };
});

__d('WAWebWidFactory', (exports) => {
  const Wid = require('WAWebWid');
  const known = new Map();

  exports.createWid = (text) => {
    if (text instanceof Wid) return text;
    if (typeof text !== 'string' || !Wid.isWid(text)) throw new Error(`wid error: invalid wid ${text}`);
    const existing = known.get(text);
    if (existing) return existing;
    const made = new Wid(text);
    known.set(text, made);
    return made;
  };
  exports.isWidlike = (value) => value instanceof Wid
    || (typeof value === 'object' && value !== null && 'server' in value && 'user' in value);
  exports.createWidFromWidLike = (like) => exports.createWid(like._serialized ?? `${like.user}@${like.server}`);
  exports.createUserWid = (user, server = 'c.us') =>
    exports.createWid(user.includes('@') ? user : `${user}@${server}`);
  exports.createUserWidOrThrow = exports.createUserWid;
  exports.createUserLidOrThrow = (user) => exports.createUserWid(user, 'lid');
  exports.createDeviceWid = exports.createWid;
  exports.createDeviceWidFromUserAndDevice = (user, server) => exports.createUserWid(user, server);
  exports.asUserWidOrThrow = (wid) => exports.createWid(wid.toString());
  exports.asGroupWidOrThrow = exports.asUserWidOrThrow;
  for (const name of ['toChatWid', 'toUserWid', 'toGroupWid', 'toUserWidOrThrow', 'toUserLidOrThrow']) {
    exports[name] = (wid) => exports.createWid(wid.toString());
  }
  exports.userJidToUserWid = (jid) => exports.createWid(jid);
});

__d('WAWebWidToJid', (exports) => {
  exports.widToUserJid = (wid) => wid.toJid();
  exports.widToGroupJid = (wid) => wid.toJid();
  exports.widToChatJid = (wid) => wid.toJid();
});

__d('WAWebJidToWid', (exports) => {
  exports.userJidToUserWid = (jid) => require('WAWebWidFactory').createWid(jid);
  exports.chatJidToChatWid = exports.userJidToUserWid;
});

__d('WAJids', (exports) => {
  exports.GROUP_JID = 'g.us';
  exports.CHAT_JID = 's.whatsapp.net';
  exports.STATUS_JID = 'status@broadcast';
});

__d('WAWebMsgKeyNewId', (exports) => {
  exports.newId = async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(9));
    return `3EB0${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('').toUpperCase()}`;
  };
});

// The string of a key is in `_serialized` before July 2026 and in the minified `$1` since (wppconnect PR 2826).
// wa-js finds out which by reading the source of `toString`, hence two classes with the name written out.
__d('WAWebMsgKey', (exports, module) => {
  const { createWid } = require('WAWebWidFactory');

  const parts = (obj) => {
    if (obj === null || obj === undefined) throw new Error('MsgKey error: obj is null/undefined');
    const { id, participant } = obj;
    if (!('from' in obj)) return { fromMe: Boolean(obj.fromMe), remote: createWid(obj.remote.toString()), id, participant };
    const fromMe = obj.selfDir === 'out';
    return { fromMe, remote: createWid((fromMe ? obj.to : obj.from).toString()), id, participant };
  };
  const text = (key) =>
    [key.fromMe, key.remote, key.id, ...(key.participant ? [key.participant] : [])].map(String).join('_');
  const assign = (key, obj) => {
    const { participant, ...rest } = parts(obj);
    Object.assign(key, rest);
    if (participant) key.participant = createWid(participant.toString());
  };
  const fromString = (MsgKey) => (key) => {
    if (key instanceof MsgKey) return key;
    const [fromMe, remote, id, participant] = String(key).split('_');
    if (!id || !['true', 'false'].includes(fromMe)) throw new Error(`MsgKey error: invalid key ${key}`);
    return new MsgKey({ fromMe: fromMe === 'true', remote, id, participant });
  };

  class OldMsgKey {
    constructor(obj) {
      if (obj === null || obj === undefined) throw new Error('MsgKey error: obj is null/undefined');
      assign(this, obj);
      this._serialized = text(this);
    }

    toString() { return this._serialized; }
    clone() { return new this.constructor(this); }
    equals(other) { return String(other) === this.toString(); }
  }

  class NewMsgKey {
    constructor(obj) {
      if (obj === null || obj === undefined) throw new Error('MsgKey error: obj is null/undefined');
      assign(this, obj);
      this.$1 = text(this);
    }

    toString() { return this.$1; }
    clone() { return new this.constructor(this); }
    equals(other) { return String(other) === this.toString(); }
  }

  const MsgKey = window.__simulator.keys === 'old' ? OldMsgKey : NewMsgKey;
  MsgKey.fromString = fromString(MsgKey);
  MsgKey.newId = () => require('WAWebMsgKeyNewId').newId();
  MsgKey.isMsgKey = (value) => value instanceof MsgKey;
  module.exports = MsgKey;
});

// Which hidden identity (LID) belongs to which number, as far as the server has said.
__d('WAWebLidPnCache', (exports) => {
  const { createWid } = require('WAWebWidFactory');
  const byNumber = new Map();
  const byLid = new Map();
  exports.lidPnCache = {
    getPhoneNumber: (lid) => byLid.get(String(lid)),
    getCurrentLid: (pn) => byNumber.get(String(pn)),
    getLidEntry: (lid) => (byLid.has(String(lid))
      ? { lid, phoneNumber: byLid.get(String(lid)), phoneNumberCreatedAt: 0 } : undefined),
    add: (lid, { phoneNumber }) => {
      byNumber.set(String(phoneNumber), createWid(String(lid)));
      byLid.set(String(lid), createWid(String(phoneNumber)));
    },
    getAllLids: () => [...byNumber.values()],
    remove: (lid) => { byNumber.delete(String(byLid.get(String(lid)))); byLid.delete(String(lid)); },
    clear: () => { byNumber.clear(); byLid.clear(); },
  };
  exports.learn = (lids = {}) => {
    for (const [phoneNumber, lid] of Object.entries(lids)) exports.lidPnCache.add(lid, { phoneNumber });
  };
});

__d('WAWebDBCreateLidPnMappings', (exports) => {
  exports.createLidPnMappings = async ({ mappings = [] } = {}) => {
    for (const { lid, pn } of mappings) require('WAWebLidPnCache').lidPnCache.add(lid, { phoneNumber: pn });
  };
});

__d('WAWebApiContact', (exports) => {
  const { lidPnCache } = require('WAWebLidPnCache');
  exports.getCurrentLid = (wid) => (wid.isLid() ? wid : lidPnCache.getCurrentLid(wid) ?? null);
  exports.getLatestLid = exports.getCurrentLid;
  exports.getPhoneNumber = (wid) => (wid.isLid() ? lidPnCache.getPhoneNumber(wid) ?? null : wid);
  exports.getAlternateUserWid = (wid) =>
    (wid.isLid() ? lidPnCache.getPhoneNumber(wid) : lidPnCache.getCurrentLid(wid)) ?? null;
  exports.hasLidMapping = (wid) => Boolean(lidPnCache.getCurrentLid(wid));
});

__d('WAWebLidMigrationUtils', (exports) => {
  const { lidPnCache } = require('WAWebLidPnCache');
  exports.Lid1X1MigrationUtils = {
    isLidMigrated: () => true,
    isSyncdSessionMigrated: () => true,
    shouldApplyNonMigratedMessagingRules: () => false,
  };
  exports.toPn = (wid) => (wid?.isLid?.() ? lidPnCache.getPhoneNumber(wid) : wid);
  exports.toLid = (wid) => (wid?.isLid?.() ? wid : lidPnCache.getCurrentLid(wid));
  exports.toUserLid = exports.toLid;
  exports.toUserLidOrThrow = (wid) => {
    const lid = exports.toLid(wid);
    if (!lid) throw new Error('No LID for user');
    return lid;
  };
  exports.shouldHaveAccountLid = (wid) => Boolean(wid?.isUser?.());
});
