'use strict';
// Sending: the message appears in its chat, is stored in the profile, and goes to the server.
__d('WAWebSendMsgChatAction', (exports) => {
  const link = require('SimLink');
  const wire = require('SimWire');
  const { MsgCollection } = require('WAWebMsgCollection');
  const { SendMsgResult } = require('WAWebSendMsgResultAction');

  const result = ({ ack, t }) => ({
    messageSendResult: ack > 0 ? SendMsgResult.OK : SendMsgResult.ERROR_UNKNOWN,
    t,
    count: null,
  });

  // Returns [stored, sent]: the first resolves with the message when the profile has it, the second with the
  // server's answer. An id that is there already stays one message; it is handed over again.
  exports.addAndSendMsgToChat = (chat, attributes) => {
    const known = MsgCollection.get(attributes.id);
    const msg = known ?? new MsgCollection.modelClass({ ...attributes, isNewMsg: true });
    if (!known) MsgCollection.add(msg);
    const { stored, acked } = link.deliver({ op: 'send', m: wire.fromAttributes(msg.attributes) });
    return [stored.then(() => msg), acked.then(result)];
  };

  exports.sendTextMsgToChat = async (chat, body, options = {}) => {
    const key = await require('SimChanges').newKey(chat);
    const attributes = { ...options, ...require('SimChanges').envelope(chat, key), body, type: 'chat' };
    return exports.addAndSendMsgToChat(chat, attributes)[1];
  };
});

__d('WAWebChatForwardMessage', (exports) => {
  const CARRIED = ['quotedMsg', 'quotedStanzaID', 'quotedParticipant', 'quotedRemoteJid', 'hasReaction', 'star'];

  exports.forwardMessages = async ({ chat, msgs, includeCaption }) => {
    const { newKey, envelope } = require('SimChanges');
    const { addAndSendMsgToChat } = require('WAWebSendMsgChatAction');
    return Promise.all(msgs.map(async (msg) => {
      const content = { ...msg.attributes };
      for (const name of [...CARRIED, 'mediaData', 'mediaObject', 'latestEditMsgKey']) delete content[name];
      if (!includeCaption && msg.type !== 'document') delete content.caption;
      const own = envelope(chat, await newKey(chat));
      const score = (msg.forwardingScore ?? 0) + (msg.id.fromMe ? 0 : 1);
      const [stored, sent] = addAndSendMsgToChat(chat, { ...content, ...own, author: own.author, isForwarded: true, forwardingScore: score });
      await stored;
      return sent;
    }));
  };
});

__d('WAWebForwardMessagesToChat', (exports) => {
  exports.forwardMessagesToChats = ({ chats, msgs }) => Promise.all(chats.map((chat) =>
    require('WAWebChatForwardMessage').forwardMessages({ chat, msgs, includeCaption: true })));
});

__d('WAWebE2EProtoUtils', (exports) => {
  exports.typeAttributeFromProtobuf = (proto) => (proto?.conversation || proto?.extendedTextMessage ? 'text' : 'media');
});
__d('WAWebBackendJobsCommon', (exports) => {
  exports.mediaTypeFromProtobuf = () => null;
  exports.encodeMaybeMediaType = (type) => type;
});
__d('WAWebE2EProtoGenerator', (exports) => {
  exports.createMsgProtobuf = (msg) => ({ conversation: msg.body });
});
__d('WAWebEncryptAndSendMsg', (exports) => {
  exports.encryptAndSendMsg = async () => {};
  exports.encryptMsgProtobuf = async () => ({});
});
__d('WAWebSendMsgCreateFanoutStanza', (exports) => {
  exports.createFanoutMsgStanza = async () => ({ tag: 'message', attrs: {}, content: [] });
});
