'use strict';
// Chats and their messages, groups, and how a chat with someone is found or begun.
__d('WAWebChatMsgsCollection', (exports) => {
  const { BaseCollection } = require('WAWebBaseCollection');
  const { BaseModel, defineModel } = require('WAWebBaseModel');
  exports.MsgLoadState = defineModel(class MsgLoadState extends BaseModel {}, 'msgLoadState', ['noEarlierMsgs', 'isLoadingEarlierMsgs', 'contextLoaded']);
  exports.ChatMsgsCollection = class ChatMsgsCollection extends BaseCollection {
    static model = require('WAWebMsgModel').default;
    static comparator = (a, b) => a.t - b.t;
    msgLoadState = new exports.MsgLoadState({ noEarlierMsgs: false });
    loadAroundPromise = null;
  };
});

__d('WAWebMuteCollection', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');
  const { BaseCollection } = require('WAWebBaseCollection');

  exports.Mute = class Mute extends BaseModel {
    async mute({ expiration }) { this.set({ expiration }); }
    async unmute() { this.set({ expiration: 0 }); }
    canMute() { return true; }
  };
  defineModel(exports.Mute, 'mute', ['id', 'expiration', 'isMuted']);
  exports.MuteCollection = new (class MuteCollection extends BaseCollection {
    static model = exports.Mute;
  })();
});

__d('WAWebSuperChatMsgs', (exports) => {
  const { BaseModel } = require('WAWebBaseModel');
  exports.default = class ModelChatBase extends BaseModel {
    onEmptyMRM() { throw new Error('onEmptyMRM not implemented'); }
    getAllMsgs() { return this.msgs.getModelsArray(); }
  };
});

__d('WAWebChatModel', (exports) => {
  const { defineModel } = require('WAWebBaseModel');
  const { ChatMsgsCollection } = require('WAWebChatMsgsCollection');
  const { PresenceCollection } = require('WAWebPresenceCollection');
  const { MuteCollection } = require('WAWebMuteCollection');

  class ChatModel extends require('WAWebSuperChatMsgs').default {
    static session = new Set(['presence', 'contact', 'mute', 'groupMetadata', 'pausedTimerId', 'active']);

    initialize() {
      const { id } = this;
      this.set({
        msgs: new ChatMsgsCollection(),
        presence: PresenceCollection.gadd(id),
        mute: MuteCollection.get(id) ?? MuteCollection.add({ id, expiration: 0 }),
        contact: require('WAWebContactCollection').ContactCollection.gadd(id),
        ...(id.isGroup() ? { groupMetadata: require('WAWebGroupMetadataCollection').default.gadd(id) } : {}),
      });
    }

    get formattedTitle() { return this.name || require('WAWebFrontendContactGetters').getFormattedName(this.contact); }
    title() { return this.formattedTitle; }
    getCollection() { return require('WAWebChatCollection').ChatCollection; }
    getAllCMCs() { return [this.msgs]; }
    canPin() { return true; }
    canArchive() { return true; }

    // A message of this chat is here: the chat shows it and moves up.
    hold(msg) {
      this.msgs.add(msg);
      const last = this.msgs.last();
      if (last === msg) this.set({ lastReceivedKey: msg.id, t: msg.t });
      if (msg.isNewMsg && !msg.id.fromMe && msg.isUnreadType) this.set({ unreadCount: Math.max(this.unreadCount, 0) + 1 });
    }

    loadEarlierMsgs() { return require('WAWebChatLoadMessages').loadEarlierMsgs({ chat: this }); }
    removeMsg(msg) { this.msgs.remove(msg); }
  }
  exports.default = defineModel(ChatModel, 'chat', [
    ...['id', 'name', 't', 'unreadCount', 'archive', 'pin', 'isReadOnly', 'lastReceivedKey', 'muteExpiration', 'msgs'],
    ...['presence', 'contact', 'mute', 'groupMetadata', 'active', 'labels', 'pausedTimerId', 'newsletterMetadata'],
    ...['ephemeralDuration', 'isParentGroup', 'markedUnread'],
  ]);
});

__d('WAWebChatCollection', (exports) => {
  const { BaseCollection } = require('WAWebBaseCollection');

  exports.ChatCollectionImpl = class ChatCollection extends BaseCollection {
    static model = require('WAWebChatModel').default;
    static comparator = (a, b) => (b.t ?? 0) - (a.t ?? 0);

    async findQuery(id) {
      return (await require('WAWebFindChatAction').findOrCreateLatestChat(id))?.chat;
    }

    getActive() { return this._models.find((chat) => chat.active); }
  };
  exports.ChatCollection = new exports.ChatCollectionImpl();
});

__d('WAWebFindChatAction', (exports) => {
  const { createWid } = require('WAWebWidFactory');
  const { ChatCollection } = require('WAWebChatCollection');

  exports.findExistingChat = async (wid) => ChatCollection.get(wid);
  exports.findOrCreateLatestChat = async (wid) => {
    const known = ChatCollection.get(wid);
    if (known) return { chat: known, created: false };
    const shown = await require('SimLink').ask('chat', { address: String(wid) });
    if (!shown) return { chat: undefined, created: false };
    const created = !ChatCollection.get(createWid(shown.id));
    return { chat: require('SimReceive').chat(shown), created };
  };
});

__d('WAWebCreateChat', (exports) => {
  exports.createChat = async (wid) => (await require('WAWebFindChatAction').findOrCreateLatestChat(wid)).chat;
  exports.createChatRecord = exports.createChat;
});

__d('WAWebChatGetters', (exports) => {
  Object.assign(exports, {
    getIsNewsletter: (chat) => chat.id.isNewsletter(),
    getIsBroadcast: (chat) => chat.id.isBroadcast(),
    getIsGroup: (chat) => chat.id.isGroup(),
    getIsUser: (chat) => chat.id.isUser(),
    getHasUnread: (chat) => chat.unreadCount !== 0,
  });
});

__d('WAWebFrontendChatGetters', (exports) => {
  Object.assign(exports, {
    getShouldAppearInList: () => true,
    getPreviewMessage: (chat) => chat.msgs.last(),
    getShowChangeNumberNotification: () => false,
    getShouldShowUnreadDivider: () => false,
  });
});

__d('WAWebGetEphemeralFieldsMsgActionsUtils', (exports) => {
  exports.getEphemeralFields = (chat) => (chat.ephemeralDuration ? { ephemeralDuration: chat.ephemeralDuration } : {});
});

__d('WAWebGroupMetadataCollection', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');
  const { BaseCollection } = require('WAWebBaseCollection');
  const Collection = require('WAWebCollection');

  exports.ParticipantModel = class Participant extends BaseModel {};
  defineModel(exports.ParticipantModel, 'participant', ['id', 'isAdmin', 'isSuperAdmin']);
  class ParticipantCollection extends Collection {
    static model = exports.ParticipantModel;
    iAmMember() { return this.some(({ id }) => require('WAWebUserPrefsMeUser').isMeAccount(id)); }
    iAmAdmin() { return false; }
    canAdd() { return false; }
  }
  exports.GroupMetadataModel = class GroupMetadata extends BaseModel {
    initialize() {
      this.set({ participants: new ParticipantCollection(), announce: false, isLidAddressingMode: false });
    }
  };
  defineModel(exports.GroupMetadataModel, 'groupMetadata', ['id', 'subject', 'participants', 'announce', 'isLidAddressingMode', 'groupType']);
  exports.default = new (class GroupMetadataCollection extends BaseCollection {
    static model = exports.GroupMetadataModel;
    _handleParentGroupChange() {}
  })();
});

__d('WAWebCallCollection', (exports, module) => {
  const EventEmitter = require('WAWebEventEmitter');
  const { BaseModel, defineModel } = require('WAWebBaseModel');
  const Call = defineModel(class Call extends BaseModel {
    getState() { return this.state; }
  }, 'call', ['id', 'peerJid', 'isVideo', 'isGroup', 'outgoing', 'state', 'offerTime', 'participants']);

  // whatsapp-web.js hears of calls by wrapping the one Map among the collection's properties.
  class CallCollectionImpl extends EventEmitter {
    _calls = new Map();
    activeCall = null;

    processIncomingCall(attributes) {
      const call = new Call(attributes);
      this._calls.set(call.id, call);
      this.trigger('add', call);
      return call;
    }

    setActiveCall(call) { this.activeCall = call; }
    getModelsArray() { return [...this._calls.values()]; }
  }
  const calls = new CallCollectionImpl();
  module.exports = Object.assign(calls, {});
  Object.defineProperties(calls, {
    default: { value: calls },
    CallCollectionImpl: { value: CallCollectionImpl },
    CallModel: { value: Call },
  });
});

__d('WAWebCollections', (exports) => {
  const from = {
    Chat: ['WAWebChatCollection', 'ChatCollection'],
    Msg: ['WAWebMsgCollection', 'MsgCollection'],
    Contact: ['WAWebContactCollection', 'ContactCollection'],
    GroupMetadata: ['WAWebGroupMetadataCollection', 'default'],
    WAWebGroupMetadataCollection: ['WAWebGroupMetadataCollection', 'default'],
    Blocklist: ['WAWebBlocklistCollection', 'BlocklistCollection'],
    Presence: ['WAWebPresenceCollection', 'PresenceCollection'],
    ProfilePicThumb: ['WAWebProfilePicThumbCollection', 'ProfilePicThumbCollection'],
    Mute: ['WAWebMuteCollection', 'MuteCollection'],
    Reactions: ['WAWebReactionsCollection', 'ReactionsCollection'],
    Label: ['WAWebLabelCollection', 'LabelCollection'],
    Status: ['WAWebStatusCollection', 'StatusCollection'],
    BusinessProfile: ['WAWebBusinessProfileCollection', 'BusinessProfileCollection'],
    WAWebNewsletterCollection: ['WAWebNewsletterCollection', 'default'],
  };
  for (const [name, [module, property]] of Object.entries(from)) {
    Object.defineProperty(exports, name, { enumerable: true, get: () => require(module)[property] });
  }
});
