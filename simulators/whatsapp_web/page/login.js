'use strict';
// From UNPAIRED to CONNECTED and synced, and back: QR code, pairing code, restored login, logout.
__d('SimLogin', (exports) => {
  const link = require('SimLink');
  const profile = require('SimProfile');
  const { Socket } = require('WAWebSocketModel');
  const { Stream } = require('WAWebStreamModel');
  const { Conn } = require('WAWebConnModel');
  const { Cmd } = require('WAWebCmd');
  const { BackendEventBus } = require('WAWebBackendEventBus');

  // What the page would show by itself, and what a fault makes it show instead.
  let natural = 'UNLAUNCHED';
  let forced = null;
  let stuck = false;
  let leaving = false;
  let syncing = 0;

  const MODES = { CONFLICT: 'CONFLICT', PROXYBLOCK: 'PROXYBLOCK', TOS_BLOCK: 'TOS_BLOCK', SMB_TOS_BLOCK: 'SMB_TOS_BLOCK', DEPRECATED_VERSION: 'DEPRECATED_VERSION' };
  const INFO = { CONNECTED: 'NORMAL', TIMEOUT: 'OFFLINE', OPENING: 'OPENING', PAIRING: 'PAIRING' };
  const modeOf = (state) => MODES[state]
    ?? (state === 'UNPAIRED' || state === 'UNPAIRED_IDLE' ? 'QR' : null)
    ?? (state === 'CONNECTED' ? (Socket.hasSynced ? 'MAIN' : 'SYNCING') : Stream.mode);

  const show = () => {
    const state = forced ?? natural;
    link.held = forced !== null && forced !== 'CONNECTED';
    Socket.set({ state, canSend: state === 'CONNECTED', stream: state === 'CONNECTED' ? 'CONNECTED' : 'DISCONNECTED' });
    Stream.set({ mode: modeOf(state), info: INFO[state] ?? 'OPENING', needsUpdate: state === 'DEPRECATED_VERSION' });
    link.say({ op: 'shown', state, synced: Socket.hasSynced, mode: Stream.mode });
  };
  const become = (state) => { natural = state; show(); };
  exports.force = (state) => {
    const wasHeld = link.held;
    forced = state;
    show();
    if (wasHeld && !link.held && link.open) link.resume();
  };

  // -- connecting ------------------------------------------------

  const identity = async () => {
    const { encodeB64 } = require('WABase64');
    const [noise, registration] = await Promise.all([
      require('WAWebUserPrefsInfoStore').waNoiseInfo.get(),
      require('WAWebSignalStoreApi').waSignalStore.getRegistrationInfo(),
    ]);
    return {
      noise: encodeB64(noise.staticKeyPair.pubKey),
      identity: encodeB64(registration.identityKeyPair.pubKey),
      secret: require('WAWebUserPrefsMultiDevice').getADVSecretKey(),
    };
  };

  exports.launch = async () => {
    become('OPENING');
    await profile.device();
    link.connect();
  };
  exports.reconnect = () => link.connect();
  exports.takeover = async () => {
    if (forced === 'CONFLICT') exports.force(null);
    link.say({ op: 'takeover', identity: await identity(), token: window.__simulator.login?.token });
  };

  link.on('up', async () => link.say({ op: 'hello', identity: await identity(), token: window.__simulator.login?.token }));
  link.on('down', () => {
    if (leaving) return;
    if (window.__simulator.login && natural === 'CONNECTED') become('TIMEOUT');
    else if (!['CONFLICT', 'TIMEOUT'].includes(natural)) become('OPENING');
    setTimeout(link.connect, 300);
  });

  // -- QR code ------------------------------------------------

  link.on('ref', ({ ref }) => {
    become('UNPAIRED');
    Conn.set({ ref });
  });
  link.on('idle', () => {
    Conn.set({ ref: undefined });
    become('UNPAIRED_IDLE');
  });

  link.on('paired', async ({ token, number, lid, name }) => {
    become('PAIRING');
    await profile.setLogin({ token, number, lid, name });
    // WhatsApp empties the ref; whatsapp-web.js makes a QR code "undefined,..." of it.
    Conn.set({ ref: undefined });
    require('WAWebLinkDeviceEvents').WAWebLinkDeviceEvents.trigger('link_device_events:primary_hello_received');
    link.say({ op: 'hello', identity: await identity(), token });
  });

  // -- sync ------------------------------------------------

  link.on('welcome', async ({ number, lid, name, chats }) => {
    window.__simulator.login = { ...window.__simulator.login, number, lid, name };
    const resumed = Socket.hasSynced;
    Conn.set({ connected: true, pushname: name, wid: require('WAWebUserPrefsMeUser').getMaybeMePnUser() });
    require('SimReceive').snapshot(chats);
    become('CONNECTED');
    link.open = true;
    if (!link.held) await link.resume();
    syncing += 1;
    await sync(syncing, resumed);
  });

  const sync = async (mine, resumed) => {
    const { OfflineMessageHandler } = require('WAWebOfflineHandler');
    const steps = resumed ? [] : [20, 60, 99];
    for (const percent of steps) {
      await new Promise((resolve) => setTimeout(resolve, window.__simulator.sync_ms / steps.length));
      OfflineMessageHandler.percent = percent;
      Cmd.handleOfflineProgressUpdate();
    }
    if (mine !== syncing || stuck || leaving) return;
    OfflineMessageHandler.percent = 100;
    Cmd.handleOfflineProgressUpdate();
    Cmd.mainLoaded();
    require('WAWebHistorySyncProgressModel').getHistorySyncProgressModel().set({ realProgress: 100 });
    Socket.set({ hasSynced: true });
    show();
    BackendEventBus.isMainStreamReadyMd = BackendEventBus.isOfflineDeliveryEnd = true;
    BackendEventBus.trigger('main_stream_mode_ready');
    link.say({ op: 'synced' });
  };

  exports.stick = (value) => {
    stuck = value;
    if (stuck) {
      Socket.set({ hasSynced: false });
      show();
    } else if (natural === 'CONNECTED') {
      syncing += 1;
      sync(syncing, true);
    }
  };

  link.on('conflict', () => {
    link.open = false;
    become('CONFLICT');
  });

  // -- logout ------------------------------------------------

  exports.logout = async (reason, tell) => {
    if (leaving) return;
    leaving = true;
    if (tell) link.say({ op: 'logout', reason });
    const code = require('WAWebLogoutReason').getErrorCodeFromLogoutReason(reason);
    BackendEventBus.trigger('starting_logout');
    await profile.clearLogin();
    link.open = false;
    // The state stays what it is: bridges hear of a logout by this command and by the address that follows.
    Cmd.logout();
    // A moment for who listens, as on the real page, before the navigation takes everything away.
    setTimeout(() => location.assign(`/?post_logout=1&logout_reason=${code}`), 50);
  };
  link.on('logout', ({ reason }) => exports.logout(reason, false));
  link.on('banned', () => {
    Cmd.onTemporaryBan({ code: 101 });
    BackendEventBus.trigger('account_temporarily_banned');
  });
});

__d('WAWebLogoutReason', (exports) => {
  let previous = null;
  const { LOGOUT_REASON_CODE } = require('WAWebLogoutReasonConstants');
  exports.getErrorCodeFromLogoutReason = (reason) =>
    (reason === 'account_locked' ? LOGOUT_REASON_CODE.ACCOUNT_LOCKED : LOGOUT_REASON_CODE.CLIENT_FATAL);
  exports.setPrevLogoutReasonCode = (code) => { previous = code; };
  exports.getPrevLogoutReasonCode = () => previous;
  exports.setPrevCustomLogoutMessage = () => {};
  exports.getPrevCustomLogoutMessage = () => null;
});

__d('WAWebAuthLoggedIn', (exports) => { exports.isLoggedIn = () => Boolean(window.__simulator.login); });
__d('WAWebUserPrefsRegistered', (exports) => { exports.isRegistered = () => Boolean(window.__simulator.login); });

__d('WAWebLinkDeviceEvents', (exports) => {
  const EventEmitter = require('WAWebEventEmitter');
  exports.WAWebLinkDeviceEvents = new (class LinkDeviceEvents extends EventEmitter {
    triggerRefreshAltLinkingCode() { this.trigger('link_device_events:refresh_alt_linking_code'); }
  })();
});

__d('WAWebAltDeviceLinkingApi', (exports) => {
  exports.setPairingType = () => {};
  exports.initializeAltDeviceLinking = async () => {};
  exports.initializeQRLinking = async () => { require('SimScreen').code(null); };
  exports.startAltLinkingFlow = async (phone) => {
    const code = await require('SimLink').ask('pairing_code', { phone: String(phone) });
    require('SimScreen').code(code);
    return code;
  };
  exports.genLinkDeviceCodeForPhoneNumber = (phone) => exports.startAltLinkingFlow(phone);
});
