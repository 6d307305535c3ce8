'use strict';
// Earlier messages: the page asks the server for what it does not hold.
__d('WAWebDBMessageFindLocal', (exports) => {
  const wire = require('SimWire');
  const link = require('SimLink');

  const ask = async (details) => {
    const found = await link.ask('messages', details);
    return found.map((m) => wire.attributes(m));
  };
  const bounded = (count) => (Number.isFinite(count) ? count : undefined);

  exports.msgFindByDirection = async ({ anchor, count, direction }) => {
    const chat = String(anchor.remote);
    return { messages: await ask({ chat, anchor: anchor.id, count: bounded(count), direction }), status: 200 };
  };
  exports.msgFindBefore = (params) => exports.msgFindByDirection({ ...params, direction: 'before' });
  exports.msgFindAfter = (params) => exports.msgFindByDirection({ ...params, direction: 'after' });
  exports.msgFindMedia = async ({ anchor, count, mediaType, direction, chat }) => ({
    messages: await ask({ chat: String(chat), anchor: anchor?.id, count: bounded(count), direction, media: mediaType }),
  });
  exports.msgFindCallLog = async () => ({ messages: [] });
  exports.msgFindEvents = async () => ({ messages: [] });
  exports.msgFindStarred = async () => ({ messages: [] });
  exports.msgFindSearch = async ({ searchTerm, count }) => ({
    messages: (await link.ask('search', { text: searchTerm, count })).map((m) => wire.attributes(m)),
  });
});

__d('WAWebChatLoadMessages', (exports) => {
  const { MsgCollection } = require('WAWebMsgCollection');
  const PAGE = 30;
  const load = async (chat, direction) => {
    const edge = direction === 'before' ? chat.msgs.head() : chat.msgs.last();
    const details = { chat: String(chat.id), anchor: edge?.id.id, count: PAGE, direction };
    const found = await require('SimLink').ask('messages', details);
    if (direction === 'before' && found.length < PAGE) chat.msgs.msgLoadState.set({ noEarlierMsgs: true });
    return found.map((m) => MsgCollection.get(require('SimWire').key(m)) ?? require('SimReceive').history(m));
  };
  exports.loadEarlierMsgs = ({ chat }) => load(chat, 'before');
  exports.loadRecentMsgs = ({ chat }) => load(chat, 'after');
});

__d('WAWebChatMessageSearch', (exports) => {
  const { MsgCollection } = require('WAWebMsgCollection');
  const MsgKey = require('WAWebMsgKey');

  // The collection around a message; it is filled when loadAroundPromise resolves.
  exports.getSearchContext = (first, second) => {
    const { chat, msgKey } = first.msgKey ? first : { chat: first, msgKey: second };
    const key = MsgKey.fromString(String(msgKey.id?.id ? msgKey.id : msgKey));
    const collection = new chat.msgs.constructor();
    collection.loadAroundPromise = MsgCollection.getMessagesById([key]).then(({ messages }) => {
      collection.add(messages);
    });
    return { collection, key, msg: MsgCollection.get(key), highlightMsg: true };
  };
});
