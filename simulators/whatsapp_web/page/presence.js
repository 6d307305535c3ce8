'use strict';
// Seen, typing, recording, played: what the page tells others, and what others tell it.
__d('WAWebChatStateBridge', (exports) => {
  const say = (state) => async (wid) => require('SimLink').say({ op: 'chatstate', chat: String(wid), state });
  exports.sendChatStateComposing = say('composing');
  exports.sendChatStateRecording = say('recording');
  exports.sendChatStatePaused = say('paused');
});

__d('WAWebChatPresence', (exports) => {
  const bridge = () => require('WAWebChatStateBridge');
  exports.markComposing = (chat) => bridge().sendChatStateComposing(chat.id);
  exports.markRecording = (chat) => bridge().sendChatStateRecording(chat.id);
  exports.markPaused = (chat) => bridge().sendChatStatePaused(chat.id);
});

__d('WAWebPresenceChatAction', (exports) => {
  exports.sendPresenceAvailable = () => require('WAWebStreamModel').Stream.markAvailable();
  exports.sendPresenceUnavailable = () => require('WAWebStreamModel').Stream.markUnavailable();
});

__d('WAWebUpdateUnreadChatAction', (exports) => {
  exports.sendSeen = async ({ chat }) => {
    const unread = chat.msgs.filter((msg) => msg.isNewMsg && !msg.id.fromMe && !msg.seen);
    if (!chat.unreadCount && !unread.length) return;
    for (const msg of unread) msg.seen = true;
    chat.set({ unreadCount: 0 });
    require('SimLink').say({ op: 'seen', chat: String(chat.id), ids: unread.map((msg) => msg.id.id) });
  };
  exports.markUnread = (chat, value) => require('SimChanges').flag(chat, 'unread', value);
});

__d('WAWebMarkPlayed', (exports) => {
  exports.canMarkPlayed = (msg) => ['ptt', 'audio'].includes(msg.type);
  exports.markPlayed = async (msg) => {
    require('SimLink').say({ op: 'played', target: msg.id.id });
    msg.updateAck(4);
  };
});

__d('SimPresence', () => {
  const { createWid } = require('WAWebWidFactory');
  const { PresenceCollection } = require('WAWebPresenceCollection');
  require('SimLink').on('presence', ({ chat, sender, state }) => {
    const id = createWid(chat);
    const presence = PresenceCollection.gadd(id);
    presence.set({ hasData: true });
    if (state === 'available' || state === 'unavailable') presence.set({ isOnline: state === 'available' });
    const type = { composing: 'typing', recording: 'recording_audio', paused: 'idle' }[state] ?? state;
    const t = Math.floor(Date.now() / 1000);
    if (id.isGroup()) presence.chatstates.add({ id: createWid(sender), type, t }, { merge: true });
    presence.chatstate.set({ type, t });
  });
});
