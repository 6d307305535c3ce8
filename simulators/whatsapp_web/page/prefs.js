'use strict';
// Who this browser is to WhatsApp: its keys, its account, and the person's preferences.
__d('WAWebUserPrefsMeUser', (exports) => {
  const { createWid } = require('WAWebWidFactory');
  const me = () => window.__simulator.login;
  exports.getMaybeMePnUser = () => (me() ? createWid(`${me().number}@c.us`) : undefined);
  exports.getMaybeMeLidUser = () => (me() ? createWid(me().lid) : undefined);
  exports.getMePnUserOrThrow = () => createWid(`${me().number}@c.us`);
  exports.getMeLidUserOrThrow = () => createWid(me().lid);
  exports.getMe = exports.getMaybeMePnUser;
  exports.isMeAccount = (wid) => Boolean(me()) && (wid.equals(`${me().number}@c.us`) || wid.equals(me().lid));
  exports.isMeAccountNonLid = (wid) => Boolean(exports.getMaybeMePnUser()?.equals(wid));
});

// Key pairs belong to the login: a fresh unpaired page makes new ones.
__d('WAWebUserPrefsInfoStore', (exports) => {
  const key = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));
  const noise = { staticKeyPair: { pubKey: key(32).buffer, privKey: key(32).buffer } };
  exports.waNoiseInfo = { get: async () => noise };
});

__d('WAWebSignalStoreApi', (exports) => {
  const pubKey = crypto.getRandomValues(new Uint8Array(32)).buffer;
  exports.waSignalStore = { getRegistrationInfo: async () => ({ registrationId: 1, identityKeyPair: { pubKey } }) };
});

__d('WAWebUserPrefsMultiDevice', (exports) => {
  const { encodeB64 } = require('WABase64');
  const secret = encodeB64(crypto.getRandomValues(new Uint8Array(32)));
  exports.getADVSecretKey = () => secret;
  exports.setADVSignedIdentity = () => {};
});

__d('WAWebAdvSignatureApi', (exports) => { exports.verifyDeviceIdentityAccountSignature = () => true; });
__d('WAWebCompanionRegClientUtils', (exports) => { exports.DEVICE_PLATFORM = '1'; });

__d('WAWebUserPrefsGeneral', (exports) => {
  const values = { Photos: true, Audio: false, Videos: false, Documents: false };
  for (const kind of Object.keys(values)) {
    exports[`getAutoDownload${kind}`] = () => values[kind];
    exports[`setAutoDownload${kind}`] = (value) => { values[kind] = value; };
  }
  exports.getTheme = () => 'light';
  exports.setTheme = () => {};
  exports.getUserPrivacySettings = () => ({});
  exports.setBrowserId = () => {};
  exports.getPushname = () => window.__simulator.login?.name ?? '';
});
