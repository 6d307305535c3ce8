'use strict';
// What happens to messages after they are sent: edit, delete, reaction, vote, star; and flags of chats.
__d('SimChanges', (exports) => {
  const link = require('SimLink');
  const MsgKey = require('WAWebMsgKey');
  const { createWid } = require('WAWebWidFactory');
  const { MsgCollection } = require('WAWebMsgCollection');
  const { ChatCollection } = require('WAWebChatCollection');
  const me = (chat) => {
    const { getMePnUserOrThrow, getMeLidUserOrThrow } = require('WAWebUserPrefsMeUser');
    return chat.id.isLid() || chat.id.isGroup() ? getMeLidUserOrThrow() : getMePnUserOrThrow();
  };

  exports.newKey = async (chat) => new MsgKey({
    from: me(chat),
    to: chat.id,
    id: await MsgKey.newId(),
    participant: chat.id.isGroup() ? me(chat) : undefined,
    selfDir: 'out',
  });
  exports.envelope = (chat, id) => ({
    id, from: me(chat), to: chat.id, author: id.participant, t: Math.floor(Date.now() / 1000), ack: 0, self: 'out', isNewMsg: true, local: true,
  });
  exports.find = (chat, id) => MsgCollection.withId(id).filter((msg) => String(msg.id.remote) === String(chat));

  // -- by this page ------------------------------------------------

  exports.edit = async (msg, body, id) => {
    const t = Date.now();
    exports.edited(msg, body, id, t);
    const { stored, acked } = link.deliver({ op: 'edit', id: id.id, target: msg.id.id, body, t });
    await stored;
    return acked;
  };

  exports.revoke = async (chat, msgs) => {
    for (const msg of msgs) {
      const id = await exports.newKey(chat);
      exports.revoked(msg, id);
      await link.deliver({ op: 'revoke', id: id.id, target: msg.id.id }).acked;
    }
  };

  exports.remove = async (chat, msgs) => {
    for (const msg of msgs) {
      const id = await MsgKey.newId();
      exports.drop(msg);
      await link.deliver({ op: 'delete', id, target: msg.id.id }).stored;
    }
  };
  exports.drop = (msg) => {
    ChatCollection.get(msg.id.remote)?.removeMsg(msg);
    MsgCollection.remove(msg);
  };

  exports.star = async (msgs, star) => msgs.forEach((msg) => msg.set({ star }));
  exports.open = async (chat) => {
    ChatCollection.forEach((each) => each.set({ active: each === chat }));
    return true;
  };
  exports.flag = async (chat, name, value) => {
    const attribute = { archive: 'archive', pin: 'pin', unread: 'unreadCount' }[name];
    const local = { archive: Boolean(value), pin: value ? Math.floor(Date.now() / 1000) : 0, unread: value ? -1 : 0 }[name];
    link.say({ op: 'flag', chat: String(chat.id), name, value: local });
    chat.set({ [attribute]: local });
  };

  // -- by anyone ------------------------------------------------

  exports.edited = (msg, body, latestEditMsgKey, t) => msg.set({
    [msg.mediaData ? 'caption' : 'body']: body, latestEditMsgKey, latestEditSenderTimestampMs: t,
  });
  exports.revoked = (msg, key) => {
    msg.set({ mediaData: undefined, mediaObject: undefined, protocolMessageKey: msg.id, latestEditMsgKey: undefined }, { silent: true });
    msg.set({ directPath: undefined, caption: undefined, quotedMsg: undefined, quotedStanzaID: undefined }, { silent: true });
    msg.set({ type: 'revoked', subtype: key.fromMe ? 'sender' : 'admin', body: undefined });
  };

  // Edits and revokes of others come as messages of type "protocol".
  exports.apply = ({ subtype, protocolMessageKey, body, id, latestEditSenderTimestampMs }) => {
    for (const msg of exports.find(String(id.remote), protocolMessageKey.id)) {
      if (subtype === 'message_edit') exports.edited(msg, body, id, latestEditSenderTimestampMs);
      else exports.revoked(msg, id);
    }
  };

  const protocol = (chat, from, id, target, rest) => {
    const remote = createWid(chat);
    const [msg] = exports.find(chat, target);
    const key = msg?.id ?? new MsgKey({ fromMe: false, remote, id: target });
    const own = new MsgKey({ fromMe: key.fromMe, remote, id, participant: key.participant });
    MsgCollection.processMultipleMessages(remote, [{
      id: own, type: 'protocol', isNewMsg: true, protocolMessageKey: key, from: remote, author: createWid(from ?? chat),
      to: require('WAWebUserPrefsMeUser').getMaybeMePnUser(), t: Math.floor(Date.now() / 1000), ...rest,
    }]);
  };
  link.on('edit', ({ chat, target, body, t, edit_id: id }) =>
    protocol(chat, null, id, target, { subtype: 'message_edit', body, latestEditSenderTimestampMs: t }));
  link.on('revoke', ({ chat, target, by, revoke_id: id }) => {
    const [msg] = exports.find(chat, target);
    const admin = createWid(chat).isGroup() && msg && String(msg.author) !== by && !msg.id.fromMe;
    protocol(chat, by, id, target, { subtype: admin ? 'admin_revoke' : 'sender_revoke' });
  });
});

__d('WAWebSendMessageEditAction', (exports) => {
  const { SendMsgResult } = require('WAWebSendMsgResultAction');
  exports.sendMessageEdit = async (msg, body) => {
    const { edit, newKey } = require('SimChanges');
    const { ChatCollection } = require('WAWebChatCollection');
    await edit(msg, body, await newKey(ChatCollection.get(msg.id.remote)));
    return { messageSendResult: SendMsgResult.OK };
  };
  exports.addAndSendMessageEdit = (msg, raw) => require('SimChanges').edit(msg, raw.body ?? raw.caption, raw.id);
});

// -- reactions ------------------------------------------------

__d('WAWebReactionsCollection', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');
  const { BaseCollection } = require('WAWebBaseCollection');
  const Collection = require('WAWebCollection');
  const { isMeAccount } = require('WAWebUserPrefsMeUser');
  const { createWid } = require('WAWebWidFactory');

  exports.AggReactionsModel = defineModel(class AggReactions extends BaseModel {}, 'aggReactions', ['id', 'aggregateEmoji', 'hasReactionByMe', 'senders']);
  exports.AggReactionsCollection = class AggReactionsCollection extends Collection {
    static model = exports.AggReactionsModel;
  };
  // The reactions to one message, by emoji.
  exports.ReactionsModel = class Reactions extends BaseModel {
    initialize() {
      this.set({ reactions: new exports.AggReactionsCollection(), reactionByMe: null });
    }

    put(row) {
      const others = this.reactions.toArray().flatMap((each) => each.senders)
        .filter(({ senderUserJid }) => senderUserJid !== row.senderUserJid);
      const rows = row.reactionText ? [...others, row] : others;
      this.reactions.reset();
      for (const emoji of new Set(rows.map(({ reactionText }) => reactionText))) {
        const senders = rows.filter(({ reactionText }) => reactionText === emoji);
        this.reactions.add({ id: emoji, aggregateEmoji: emoji, senders, hasReactionByMe: senders.some(({ senderUserJid }) => isMeAccount(createWid(senderUserJid))) });
      }
      this.set({ reactionByMe: rows.find(({ senderUserJid }) => isMeAccount(createWid(senderUserJid))) ?? null });
      return rows.length > 0;
    }
  };
  defineModel(exports.ReactionsModel, 'reactions', ['id', 'reactions', 'reactionByMe']);
  exports.ReactionsCollection = new (class ReactionsCollection extends BaseCollection {
    static model = exports.ReactionsModel;

    async findQuery(id) {
      const model = this.gadd(String(id));
      const MsgKey = require('WAWebMsgKey');
      const key = MsgKey.fromString(String(id));
      const [m] = await require('SimLink').ask('by_ids', { ids: [key.id] });
      for (const [sender, each] of Object.entries(m?.reactions ?? {})) model.put(require('SimReactions').row(key, sender, each));
      return model;
    }
  })();
});

__d('SimReactions', (exports) => {
  const link = require('SimLink');
  const MsgKey = require('WAWebMsgKey');
  const { createWid } = require('WAWebWidFactory');
  const { isMeAccount } = require('WAWebUserPrefsMeUser');

  exports.row = (parent, sender, { text, t, id }) => {
    const fromMe = isMeAccount(createWid(sender));
    const participant = parent.remote.isGroup() ? sender : undefined;
    return {
      msgKey: new MsgKey({ fromMe, remote: parent.remote, id, participant }), parentMsgKey: parent, senderUserJid: sender,
      reactionText: text, timestamp: t, read: false, orphan: 0, orphanReason: null,
    };
  };

  // The table's row as its writer gets it; both public bridges hear of reactions by wrapping these two functions.
  exports.put = async (parent, sender, reaction) => {
    const row = exports.row(parent, sender, reaction);
    await require('WAWebAddonReactionTableMode').reactionTableMode.bulkUpsert([{
      id: row.msgKey, reactionParentKey: parent, reactionText: row.reactionText, reactionTimestamp: row.timestamp,
      t: Math.floor(row.timestamp / 1000), author: createWid(sender), from: createWid(sender), read: false, orphan: 0, ack: 2,
    }]);
    const data = { ...row, msgKey: String(row.msgKey), parentMsgKey: String(parent), t: row.timestamp };
    require('WAWebReactionsBEUtils').addOrUpdateReactionsModelCollection(data, true);
  };

  link.on('reaction', ({ chat, target, sender, text, t, react_id: id, lids }) => {
    require('WAWebLidPnCache').learn(lids);
    for (const msg of require('SimChanges').find(chat, target)) exports.put(msg.id, sender, { text, t, id });
  });
});

__d('WAWebAddonReactionTableMode', (exports) => {
  exports.reactionTableMode = { bulkUpsert: async () => {} };
});

__d('WAWebReactionsBEUtils', (exports) => {
  const MsgKey = require('WAWebMsgKey');
  exports.addOrUpdateReactionsModelCollection = (data) => {
    const { ReactionsCollection } = require('WAWebReactionsCollection');
    const parent = MsgKey.fromString(data.parentMsgKey);
    const any = ReactionsCollection.gadd(String(parent)).put({ ...data, msgKey: MsgKey.fromString(data.msgKey), parentMsgKey: parent });
    require('WAWebMsgCollection').MsgCollection.get(parent)?.set({ hasReaction: any });
  };
});

__d('WAWebGetReactions', (exports) => {
  exports.getReactions = async (id) => {
    const { reactions, reactionByMe } = await require('WAWebReactionsCollection').ReactionsCollection.find(id);
    return { reactionByMe: reactionByMe ?? undefined, reactions: reactions.toArray() };
  };
});

__d('WAWebSendReactionMsgAction', (exports) => {
  const { SendMsgResult } = require('WAWebSendMsgResultAction');
  exports.sendReactionToMsg = async (msg, text) => {
    const { ChatCollection } = require('WAWebChatCollection');
    const chat = ChatCollection.get(msg.id.remote);
    const key = await require('SimChanges').newKey(chat);
    const t = Date.now();
    await require('SimReactions').put(msg.id, String(require('SimChanges').envelope(chat, key).from), { text, t, id: key.id });
    const { stored, acked } = require('SimLink').deliver({ op: 'react', id: key.id, target: msg.id.id, text, t });
    await stored;
    await acked;
    return { messageSendResult: SendMsgResult.OK };
  };
});

// -- votes in polls ------------------------------------------------

__d('WAWebAddonPollVoteTableMode', (exports) => {
  exports.pollVoteTableMode = { bulkUpsert: async () => {} };
});

__d('WAWebPollsVotesSchema', (exports) => {
  const rows = new Map();
  exports.put = (row) => rows.set(String(row.msgKey), row);
  exports.getTable = () => {
    const name = "poll-votes";
    return {
      name,
      equals: async (_index, key) => [...rows.values()].filter((row) => row.parentMsgKey === String(key)),
      anyOf: async (_index, keys) => [...rows.values()].filter((row) => keys.map(String).includes(row.parentMsgKey)),
    };
  };
});

__d('WAWebPollsVoteRow', (exports) => {
  const MsgKey = require('WAWebMsgKey');
  const { createWid } = require('WAWebWidFactory');
  exports.voteFromDbRow = (row) => ({
    ...row, msgKey: MsgKey.fromString(row.msgKey), parentMsgKey: MsgKey.fromString(row.parentMsgKey), sender: createWid(row.sender),
  });
});

__d('WAWebPollsVotesUpsert', (exports) => {
  exports.upsertVotesDb = async (votes) => {
    for (const vote of votes) {
      require('WAWebPollsVotesSchema').put({
        ...vote, msgKey: String(vote.msgKey), parentMsgKey: String(vote.parentMsgKey), sender: String(vote.sender),
      });
    }
  };
});

__d('SimVotes', (exports) => {
  const MsgKey = require('WAWebMsgKey');
  const { createWid } = require('WAWebWidFactory');

  exports.put = (msg, from, { id, options, t }) => {
    const sender = createWid(from);
    const key = new MsgKey({ fromMe: false, remote: msg.id.remote, id, participant: msg.id.remote.isGroup() ? sender : undefined });
    require('WAWebPollsVotesUpsert').upsertVotesDb([
      { msgKey: key, parentMsgKey: msg.id, selectedOptionLocalIds: options, sender, senderTimestampMs: t, ack: 2 },
    ]);
    return { id: key, pollUpdateParentKey: msg.id, selectedOptionLocalIds: options, t, from: sender, author: sender, senderTimestampMs: t };
  };

  require('SimLink').on('vote', ({ chat, target, sender, ...vote }) => {
    for (const msg of require('SimChanges').find(chat, target)) {
      require('WAWebAddonPollVoteTableMode').pollVoteTableMode.bulkUpsert([exports.put(msg, sender, vote)]);
    }
  });
});

__d('WAWebPollsSendVoteMsgAction', (exports) => {
  exports.sendVote = async (msg, options) => {
    const id = await require('WAWebMsgKey').newId();
    await require('SimLink').deliver({ op: 'vote', id, target: msg.id.id, options: [...options] }).acked;
    return { messageSendResult: 'OK' };
  };
});
