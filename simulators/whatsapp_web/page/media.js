'use strict';
// Files: preparing, uploading, sending and downloading them. Bytes are not encrypted in the simulator.
__d('WAWebMediaOpaqueData', (exports, module) => {
  module.exports = class OpaqueData {
    constructor(blob) { this._blob = blob; }

    static async createFromData(data, type) {
      const blob = data instanceof Blob ? data : new Blob([data]);
      return new OpaqueData(type && blob.type !== type ? new Blob([blob], { type }) : blob);
    }
    static createFromBase64Jpeg(text) {
      return OpaqueData.createFromData(new Blob([require('WABase64').decodeB64(text)]), 'image/jpeg');
    }

    url() { return (this._url ??= URL.createObjectURL(this._blob)); }
    size() { return this._blob.size; }
    type() { return this._blob.type; }
    formData() { return this._blob; }
    forceToBlob() { return this._blob; }
    retain() {}
    autorelease() {}
    throwIfReleased() {}
  };
});

__d('WAWebMediaDataModel', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');
  class MediaData extends BaseModel {
    static session = new Set(['mediaBlob', 'renderableUrl']);
  }
  exports.default = defineModel(MediaData, 'mediaData', [
    ...['type', 'mediaStage', 'size', 'filehash', 'encFilehash', 'mimetype', 'mediaBlob', 'fullWidth', 'fullHeight'],
    ...['preview', 'duration', 'isGif', 'waveform', 'directPath', 'mediaKey', 'mediaKeyTimestamp', 'clientUrl'],
    ...['width', 'height', 'renderableUrl', 'filename', 'pageCount', 'isViewOnce'],
  ]);
});

__d('WAWebMediaStorage', (exports) => {
  const objects = new Map();
  class MediaObject {
    constructor(filehash) {
      this.filehash = filehash;
      this.contentInfo = {};
    }
    consolidate(data) { Object.assign(this, { type: data.type?.toUpperCase(), size: data.size, mimetype: data.mimetype }); }
  }
  exports.getOrCreateMediaObject = (filehash) => {
    if (!objects.has(filehash)) objects.set(filehash, new MediaObject(filehash));
    return objects.get(filehash);
  };
  exports.MediaObject = MediaObject;
  exports.webMediaTypeToWamMediaType = (type) => type;
});

__d('WAWebMmsMediaTypes', (exports) => {
  exports.msgToMediaType = ({ type }) => type;
  exports.castToV4 = (type) => type?.toLowerCase();
});

__d('WAWebMediaDataUtils', (exports) => { exports.shouldUseMediaCache = () => true; });
__d('WAWebMediaEntry', (exports) => { exports.EncryptedMediaEntry = class EncryptedMediaEntry {}; });

__d('WAWebMediaInMemoryBlobCache', (exports) => {
  exports.InMemoryMediaBlobCacheImpl = class InMemoryMediaBlobCacheImpl {
    blobs = new Map();
    put(hash, blob) { this.blobs.set(hash, blob); }
    get(hash) { return this.blobs.get(hash); }
    has(hash) { return this.blobs.has(hash); }
    delete(hash) { this.blobs.delete(hash); }
  };
  exports.InMemoryMediaBlobCache = new exports.InMemoryMediaBlobCacheImpl();
});

__d('WAWebLruMediaStore', (exports) => {
  const kept = new Map();
  exports.LruMediaStore = {
    get: async (key) => kept.get(key) ?? null,
    put: async (key, value) => { kept.set(key, value); },
    del: async (key) => { kept.delete(key); },
    clear: async () => kept.clear(),
    count: async () => kept.size,
    has: async (key) => kept.has(key),
  };
});

__d('WAWebMediaGatingUtils', (exports) => {
  const MIB = 1024 * 1024;
  const limits = { image: 16 * MIB, video: 64 * MIB, audio: 16 * MIB, document: 2048 * MIB };
  exports.getUploadLimit = (type) => limits[type] ?? limits.document;
});

__d('WAMediaCalculateFilehash', (exports) => {
  const { encodeB64 } = require('WABase64');
  exports.calculateFilehashFromBlob = async (blob) => encodeB64(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
  exports.getRandomFilehash = async () => encodeB64(crypto.getRandomValues(new Uint8Array(32)));
});

// -- up ------------------------------------------------

__d('WAWebMediaMmsV4Upload', (exports) => {
  const upload = async (blob) => {
    const response = await fetch(`/mms?page=${window.__simulator.page}`, { method: 'POST', body: blob });
    if (!response.ok) throw Object.assign(new Error(`media upload failed: ${response.status}`), { status: response.status });
    return response.json();
  };
  exports.uploadMedia = async ({ mediaObject, mimetype }) => {
    const blob = require('WAWebMediaInMemoryBlobCache').InMemoryMediaBlobCache.get(mediaObject.filehash);
    const kept = await upload(blob);
    return {
      kind: 'success',
      mediaEntry: {
        ...kept, mimetype, mmsUrl: `${location.origin}${kept.directPath}`, deprecatedMms3Url: `${location.origin}${kept.directPath}`,
        mediaKeyTimestamp: Math.floor(Date.now() / 1000), uploadHash: kept.encFilehash, sidecar: undefined, firstFrameSidecar: undefined,
      },
    };
  };
  exports.uploadUnencryptedMedia = exports.uploadMedia;
  exports.encryptAndUpload = async ({ blob }) => {
    const kept = await upload(blob);
    return { ...kept, url: `${location.origin}${kept.directPath}`, mediaKeyTimestamp: Math.floor(Date.now() / 1000) };
  };
});

__d('WAWebUploadManager', (exports) => { exports.encryptAndUpload = (given) => require('WAWebMediaMmsV4Upload').encryptAndUpload(given); });
__d('WAWebStartMediaUploadQpl', (exports) => { exports.startMediaUploadQpl = () => ({ addPoint() {}, addAnnotations() {} }); });

__d('WAWebPrepRawMedia', (exports) => {
  const MediaData = require('WAWebMediaDataModel').default;

  const kindOf = (mimetype, { asSticker, asDocument, isPtt }) => {
    if (asDocument) return 'document';
    if (asSticker) return 'sticker';
    const [main] = mimetype.split('/');
    if (main === 'audio') return isPtt ? 'ptt' : 'audio';
    return ['image', 'video'].includes(main) ? main : 'document';
  };

  const sizeOf = async (type, blob) => {
    if (!['image', 'sticker'].includes(type)) return {};
    const image = await createImageBitmap(blob).catch(() => null);
    return image ? { fullWidth: image.width, fullHeight: image.height, width: image.width, height: image.height } : {};
  };

  exports.MediaPrep = class MediaPrep {
    constructor(type, promise) {
      this._mediaData = new MediaData({ type, mediaStage: 'PREPARING' });
      this._prep = promise.then((values) => this._mediaData.set({ ...values, mediaStage: 'EXISTS' }));
    }

    async waitForPrep() {
      await this._prep;
      return this._mediaData;
    }

    // The message's envelope is in options.productMsgOptions; what the file says of itself comes over it.
    async sendToChat({ chat, options }) {
      const mediaData = await this.waitForPrep();
      const { newKey, envelope } = require('SimChanges');
      const own = options.productMsgOptions ?? envelope(chat, await newKey(chat));
      const msg = new (require('WAWebMsgCollection').MsgCollection.modelClass)({
        ...own, type: mediaData.type, caption: options.caption, isViewOnce: options.isViewOnce, isUnsentMedia: true,
        mimetype: mediaData.mimetype, size: mediaData.size, filehash: mediaData.filehash, duration: mediaData.duration,
        waveform: mediaData.waveform, width: mediaData.width, height: mediaData.height, mediaData,
        ...(mediaData.type === 'document' ? { caption: options.caption ?? own.caption ?? own.filename } : {}),
      });
      return require('SimMedia').send(chat, msg, mediaData);
    }
  };

  exports.prepRawMedia = (opaque, options = {}) => {
    const blob = opaque.forceToBlob();
    const mimetype = blob.type || 'application/octet-stream';
    const type = kindOf(mimetype, options);
    const { calculateFilehashFromBlob } = require('WAMediaCalculateFilehash');
    const { duration, waveform } = options.precomputedFields ?? {};
    const prepared = async () => ({
      mimetype, mediaBlob: opaque, size: blob.size, filehash: await calculateFilehashFromBlob(blob), isGif: Boolean(options.asGif),
      duration, waveform, ...(await sizeOf(type, blob)),
    });
    return new exports.MediaPrep(type, prepared());
  };
  exports.uploadProductImage = async () => { throw new Error('no catalog here'); };
});

__d('SimMedia', (exports) => {
  const { SendMsgResult } = require('WAWebSendMsgResultAction');
  const KINDS = new Set(['image', 'video', 'audio', 'ptt', 'document', 'sticker']);
  const { InMemoryMediaBlobCache } = require('WAWebMediaInMemoryBlobCache');

  // Gives a message with a file its media data, unless it brings its own.
  exports.attach = (msg, type = msg.type) => {
    if (msg.mediaData || !KINDS.has(type) || !msg.directPath) return;
    const { getOrCreateMediaObject } = require('WAWebMediaStorage');
    const mediaObject = getOrCreateMediaObject(msg.filehash);
    mediaObject.consolidate({ type, size: msg.size, mimetype: msg.mimetype });
    const mediaData = new (require('WAWebMediaDataModel').default)({
      type, mediaStage: 'NEED_POKE', size: msg.size, filehash: msg.filehash, mimetype: msg.mimetype, directPath: msg.directPath,
    });
    msg.set({ mediaData, mediaObject }, { silent: true });
  };

  exports.send = async (chat, msg, mediaData) => {
    const { MsgCollection } = require('WAWebMsgCollection');
    MsgCollection.add(msg);
    const mediaObject = require('WAWebMediaStorage').getOrCreateMediaObject(mediaData.filehash);
    mediaObject.consolidate(mediaData.attributes);
    msg.set({ mediaObject }, { silent: true });
    InMemoryMediaBlobCache.put(mediaData.filehash, mediaData.mediaBlob.forceToBlob());
    mediaData.set({ mediaStage: 'UPLOADING' });
    try {
      const { mediaEntry } = await require('WAWebMediaMmsV4Upload').uploadMedia({ mediaObject, mimetype: mediaData.mimetype, mediaType: mediaData.type });
      const { directPath, encFilehash, mediaKey, mediaKeyTimestamp } = mediaEntry;
      msg.set({ directPath, encFilehash, mediaKey, mediaKeyTimestamp });
    } catch (error) {
      console.error('upload', error);
      mediaData.set({ mediaStage: 'ERROR_UPLOAD' });
      msg.updateAck(-1);
      return { messageSendResult: SendMsgResult.ERROR_UPLOAD };
    }
    mediaData.set({ mediaStage: 'RESOLVED' });
    msg.set({ isUnsentMedia: false });
    const [, sent] = require('WAWebSendMsgChatAction').addAndSendMsgToChat(chat, msg.attributes);
    return sent;
  };

  exports.download = async (msg) => {
    const { mediaData } = msg;
    if (mediaData.mediaStage === 'RESOLVED') return;
    mediaData.set({ mediaStage: 'FETCHING' });
    try {
      const bytes = await require('WAWebDownloadManager').downloadManager.downloadAndMaybeDecrypt({ directPath: msg.directPath });
      const blob = new Blob([bytes], { type: msg.mimetype });
      mediaData.set({ mediaBlob: await require('WAWebMediaOpaqueData').createFromData(blob, msg.mimetype), mediaStage: 'RESOLVED' });
      InMemoryMediaBlobCache.put(msg.filehash, blob);
    } catch (error) {
      mediaData.set({ mediaStage: error.status === 404 ? 'ERROR_MISSING' : 'ERROR_UNKNOWN' });
      throw error;
    }
  };
});

__d('WAWebDownloadManager', (exports) => {
  exports.downloadManager = {
    downloadAndMaybeDecrypt: async ({ directPath, signal }) => {
      const response = await fetch(`${directPath}?page=${window.__simulator.page}`, { signal });
      if (!response.ok) throw Object.assign(new Error(`media download failed: ${response.status}`), { status: response.status });
      return response.arrayBuffer();
    },
  };
});

__d('WAWebProcessRawMedia', (exports) => {
  exports.processRawSticker = async (opaque) => ({ mediaBlob: opaque });
  exports.generateVideoThumbsAndDuration = async () => ({ duration: 0, thumbs: [] });
});
__d('WAWebImageUtils', (exports) => {
  exports.rotateAndResize = async (blob) => blob;
  exports.toWebpSticker = async (file) => file;
});
__d('WAWebFrontendVcardUtils', (exports) => {
  exports.vcardFromContactModel = (contact) => {
    const name = contact.formattedName ?? require('WAWebFrontendContactGetters').getFormattedName(contact);
    const phone = require('WAWebApiContact').getPhoneNumber(contact.id)?.user ?? contact.id.user;
    return {
      displayName: name,
      vcard: `BEGIN:VCARD\nVERSION:3.0\nN:;${name};;;\nFN:${name}\nTEL;type=CELL;waid=${phone}:+${phone}\nEND:VCARD`,
    };
  };
});
__d('WAWebVcardParsingUtils', (exports) => {
  exports.parseVcard = (text) => ({ fn: /^FN:(.*)$/m.exec(text)?.[1] ?? '' });
});
__d('WAWebVcardGetNameFromParsed', (exports) => { exports.vcardGetNameFromParsed = ({ fn }) => fn; });
