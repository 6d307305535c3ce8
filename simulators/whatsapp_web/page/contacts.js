'use strict';
// People: contacts and their names, pictures, statuses, presences.
__d('WAWebContactModel', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');

  class ContactModel extends BaseModel {
    get displayName() { return require('WAWebFrontendContactGetters').getFormattedName(this); }
  }
  exports.default = defineModel(ContactModel, 'contact', [
    ...['id', 'name', 'shortName', 'pushname', 'type', 'verifiedName', 'verifiedLevel', 'isBusiness', 'isEnterprise'],
    ...['isContactBlocked', 'statusMute', 'labels', 'phoneNumber', 'businessProfile', 'commonGroups', 'username'],
    ...['disappearingModeDuration', 'disappearingModeSettingTimestamp', 'privacyMode'],
  ]);
});

__d('WAWebContactCollection', (exports) => {
  const { BaseCollection } = require('WAWebBaseCollection');
  const { createWid } = require('WAWebWidFactory');

  exports.ContactCollectionImpl = class ContactCollection extends BaseCollection {
    static model = require('WAWebContactModel').default;

    async findQuery(id) {
      return this.add({ id: createWid(String(id)), type: 'out', isBusiness: false });
    }
  };
  exports.ContactCollection = new exports.ContactCollectionImpl();
});

__d('WAWebContactGetters', (exports) => {
  const me = (contact) => require('WAWebUserPrefsMeUser').isMeAccount(contact.id);
  Object.assign(exports, {
    getId: (contact) => contact.id,
    getName: (contact) => contact.name,
    getShortName: (contact) => contact.shortName ?? contact.name,
    getPushname: (contact) => contact.pushname,
    getNotifyName: (contact) => contact.pushname,
    getPremiumMessageName: () => undefined,
    getVerifiedName: (contact) => contact.verifiedName,
    getVerifiedLevel: (contact) => contact.verifiedLevel,
    getStatusMute: (contact) => Boolean(contact.statusMute),
    getUserid: (contact) => contact.id.user,
    getIsMe: me,
    getIsUser: (contact) => contact.id.isUser(),
    getIsGroup: (contact) => contact.id.isGroup(),
    getIsBroadcast: (contact) => contact.id.isBroadcast(),
    getIsNewsletter: (contact) => contact.id.isNewsletter(),
    getIsPSA: (contact) => contact.id.isPSA(),
    getIsIAS: () => false,
    getIsSupportAccount: () => false,
    getIsWAContact: (contact) => contact.id.isUser(),
    getIsEnterprise: (contact) => Boolean(contact.isEnterprise),
    getCanRequestPhoneNumber: () => false,
    getShowBusinessCheckmarkAsPrimary: () => false,
    getShowBusinessCheckmarkAsSecondary: () => false,
    getShowBusinessCheckmarkInChatlist: () => false,
    getIsDisplayNameApproved: () => true,
    getShouldForceBusinessUpdate: () => false,
    getPhoneNumber: (contact) => require('WAWebApiContact').getPhoneNumber(contact.id),
    getTextStatusString: () => undefined,
  });
});

__d('WAWebFrontendContactGetters', (exports) => {
  const { getPhoneNumber } = require('WAWebApiContact');
  const phone = (contact) => {
    const wid = getPhoneNumber(contact.id);
    return wid ? `+${wid.user}` : contact.id.user;
  };
  const name = (contact) => contact.name ?? contact.verifiedName ?? contact.pushname ?? phone(contact);
  Object.assign(exports, {
    getPhoneNumber: (contact) => getPhoneNumber(contact.id),
    getTextStatusString: () => undefined,
    getPnForLid: (contact) => (contact.id.isLid() ? getPhoneNumber(contact.id) : null),
    getDisplayName: name,
    getUserDisplayNameForLid: name,
    getDisplayNameOrPnForLid: name,
    getFormattedPhone: phone,
    getFormattedUsernameOrPhone: phone,
    getFormattedShortNameWithNonBreakingSpaces: name,
    getFormattedShortName: name,
    getFormattedName: name,
    getFormattedUser: phone,
    getSearchName: (contact) => name(contact).toLowerCase(),
    getSearchVerifiedName: (contact) => contact.verifiedName,
    getHeader: (contact) => name(contact)[0]?.toUpperCase(),
    getIsMyContact: (contact) => Boolean(contact.name),
    getMentionName: name,
  });
});

__d('WAWebProfilePicThumbCollection', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');
  const { BaseCollection } = require('WAWebBaseCollection');

  exports.ProfilePicThumb = class ProfilePicThumb extends BaseModel {
    canSet() { return false; }
    canDelete() { return false; }
  };
  defineModel(exports.ProfilePicThumb, 'profilePicThumb', ['id', 'img', 'imgFull', 'eurl', 'tag']);
  exports.ProfilePicThumbCollectionImpl = class ProfilePicThumbCollection extends BaseCollection {
    static model = exports.ProfilePicThumb;
  };
  exports.ProfilePicThumbCollection = new exports.ProfilePicThumbCollectionImpl();
});

__d('WAWebContactProfilePicThumbBridge', (exports) => {
  // Nobody here has a picture.
  exports.requestProfilePicFromServer = async () => undefined;
  exports.sendSetPicture = async () => ({ status: 401 });
  exports.requestDeletePicture = async () => ({ status: 401 });
});

__d('WAWebPresenceCollection', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');
  const { BaseCollection } = require('WAWebBaseCollection');
  const Collection = require('WAWebCollection');

  exports.Chatstate = class Chatstate extends BaseModel {};
  defineModel(exports.Chatstate, 'chatstate', ['id', 'type', 't', 'deny']);
  exports.ChatstateCollection = class ChatstateCollection extends Collection {
    static model = exports.Chatstate;
  };

  exports.Presence = class Presence extends BaseModel {
    initialize() {
      this.chatstates = new exports.ChatstateCollection();
      this.set({ chatstate: new exports.Chatstate({ id: this.id }), hasData: false, isOnline: false, isSubscribed: false });
    }

    get isGroup() { return this.id.isGroup(); }
    get isUser() { return this.id.isUser(); }

    async subscribe() {
      this.set({ isSubscribed: true, hasData: true });
    }
  };
  defineModel(exports.Presence, 'presence', ['id', 'isOnline', 'hasData', 'isSubscribed', 'chatstate', 'chatstates']);
  exports.PresenceCollection = new (class PresenceCollection extends BaseCollection {
    static model = exports.Presence;
  })();
});

__d('WAWebContactPresenceBridge', (exports) => {
  const { PresenceCollection } = require('WAWebPresenceCollection');
  exports.subscribePresence = (wid) => PresenceCollection.gadd(wid).subscribe();
  exports.subscribeGroupPresence = exports.subscribePresence;
});

__d('WAWebBlocklistCollection', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');
  const { BaseCollection } = require('WAWebBaseCollection');
  exports.BlocklistModel = class Blocklist extends BaseModel {};
  defineModel(exports.BlocklistModel, 'blocklist', ['id']);
  exports.BlocklistCollectionImpl = class BlocklistCollection extends BaseCollection {
    static model = exports.BlocklistModel;
  };
  exports.BlocklistCollection = new exports.BlocklistCollectionImpl();
});

__d('WAWebQueryExistsJob', (exports) => {
  const { createWid } = require('WAWebWidFactory');

  exports.queryWidExists = async (wid) => {
    const found = await require('SimLink').ask('exists', { address: String(wid) });
    if (!found) return null;
    require('WAWebLidPnCache').learn(found.lids);
    return { wid: createWid(found.address), biz: false };
  };
  exports.queryPhoneExists = (phone) => exports.queryWidExists(createWid(`${String(phone).replace(/\D/g, '')}@c.us`));
});
