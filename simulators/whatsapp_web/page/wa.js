'use strict';
// Small modules that a bridge looks for at its start and that this world has no use for: empty, but there.
(() => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');
  const { BaseCollection } = require('WAWebBaseCollection');

  const collection = (module, name, props) => __d(module, (exports) => {
    const Model = defineModel(class extends BaseModel {}, name[0].toLowerCase() + name.slice(1), ['id', ...props]);
    exports[`${name}Model`] = Model;
    exports[`${name}Collection`] = new (class extends BaseCollection {
      static model = Model;
    })();
  });
  collection('WAWebLabelCollection', 'Label', ['name', 'hexColor', 'colorIndex', 'count']);
  collection('WAWebBusinessProfileCollection', 'BusinessProfile', ['profileOptions']);
  collection('WAWebBotProfileCollection', 'BotProfile', ['personaId']);
  collection('WAWebQuickReplyCollection', 'QuickReply', []);
  collection('WAWebOrderCollection', 'Order', []);
  collection('WAWebCartCollection', 'Cart', []);
  collection('WAWebCatalogCollection', 'Catalog', []);
  collection('WAWebEmojiVariantCollection', 'EmojiVariant', []);
  collection('WAWebPinInChatCollection', 'PinInChat', []);
  collection('WAWebRecentEmojiCollection', 'RecentEmoji', []);
  collection('WAWebStickerSearchCollection', 'StickerSearch', []);
  collection('WAWebNoteCollection', 'Note', []);

  __d('WAWebTextStatusCollection', (exports) => {
    const Model = defineModel(class extends BaseModel {}, 'textStatus', ['id', 'status']);
    exports.TextStatusCollection = new (class extends BaseCollection {
      static model = Model;
    })();
  });
  __d('WAWebStatusCollection', (exports) => {
    const Model = defineModel(class extends BaseModel {}, 'status', ['id', 'msgs', 'lastReceivedKey']);
    exports.StatusCollectionImpl = class StatusCollection extends BaseCollection {
      static model = Model;
      getMyStatus() { return this.gadd('me'); }
    };
    exports.StatusCollection = new exports.StatusCollectionImpl();
  });
  __d('WAWebNewsletterCollection', (exports) => {
    exports.default = new (class NewsletterCollection extends BaseCollection {
      static model = require('WAWebChatModel').default;
    })();
  });
  __d('WAWebTemplateButtonCollection', (exports) => {
    exports.TemplateButtonModel = defineModel(class extends BaseModel {}, 'templateButton', ['id', 'displayText', 'subtype']);
    exports.TemplateButtonCollection = class extends BaseCollection {
      static model = exports.TemplateButtonModel;
    };
  });
  __d('WAWebMsgInfoCollection', (exports) => {
    const { createWid } = require('WAWebWidFactory');
    const NAMES = { 2: 'delivery', 3: 'read', 4: 'played' };
    const Model = defineModel(class extends BaseModel {}, 'msgInfo', ['id', 'delivery', 'read', 'played']);
    exports.MsgInfoModel = Model;
    exports.MsgInfoCollection = new (class extends BaseCollection {
      static model = Model;

      async find(key) {
        const receipts = await require('SimLink').ask('info', { id: key.id });
        const info = { id: key, delivery: [], read: [], played: [] };
        for (const [name, t] of Object.entries(receipts)) {
          const [ack, participant] = name.split(':');
          info[NAMES[ack]]?.push({ id: createWid(participant), t: Math.floor(t) });
        }
        return new Model(info);
      }
    })();
  });
  __d('WAWebApiMessageInfoStore', (exports) => {
    exports.queryMsgInfo = async (key) => {
      const info = await require('WAWebMsgInfoCollection').MsgInfoCollection.find(key);
      return { ...info.serialize(), deliveryRemaining: 0, readRemaining: 0, playedRemaining: 0 };
    };
  });

  const nothing = (module, ...names) => __d(module, (exports) => {
    for (const name of names) exports[name] = async () => {};
  });
  nothing('WAWebLabelCollectionUtils', 'addToLabelCollection', 'removeLabelFromCollection', 'createLabelItemId', 'initializeLabels');
  nothing('WAWebLinkPreviewChatAction', 'getLinkPreview');
  nothing('WAWebLinkPreviewGenMinimal', 'genMinimalLinkPreview');
  nothing('WAWebNonMessageDataRequestPlaceholderMessageResendUtils', 'handlePlaceholderMsgsSeen');
  nothing('WAWebChatClearBridge', 'sendClear');
  nothing('WAWebDeleteChatAction', 'sendDelete');
  nothing('WAWebContactStatusBridge', 'setMyStatus', 'getStatus', 'queryStatusAll');
  nothing('WAWebSetPushnameConnAction', 'setPushname');
  nothing('WAWebBlockContactAction', 'blockContact', 'unblockContact');
  nothing('WAWebFindCommonGroupsContactAction', 'findCommonGroups');

  __d('WAWebSyncGatingUtils', (exports) => { exports.isPlaceholderMessageResendEnabled = () => false; });
  __d('WAWebMiscGatingUtils', (exports) => { exports.primaryFeatureEnabled = () => true; });
  __d('WAWebGetNumChatsPinned', (exports) => { exports.getNumChatsPinned = () => 0; });
  __d('WAWebInboxFilterUtils', (exports) => { exports.isFilterExcludedFromSearchTreatmentInInboxFlow = () => false; });
  __d('WAWebBotMessageSecret', (exports) => { exports.genBotMsgSecretFromMsgSecret = async (secret) => secret; });
  __d('WAWebChatSearchQuery', (exports) => {
    exports.SearchQuery = class SearchQuery {
      updateLabelQuery(filter) { this.filter = filter ?? {}; }
    };
  });
  __d('WAWap', (exports) => {
    exports.DROP_ATTR = Symbol('drop');
    exports.generateId = () => require('WARandomHex').randomHex(8);
    exports.WapNode = class WapNode {
      constructor(tag, attrs, content) { Object.assign(this, { tag, attrs, content }); }
    };
    exports.wap = (tag, attrs, content) => new exports.WapNode(tag, attrs, content);
  });
  __d('WASmaxJsx', (exports) => { exports.smax = (...args) => require('WAWap').wap(...args); });
})();
