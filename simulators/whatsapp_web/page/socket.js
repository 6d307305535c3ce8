'use strict';
// The states of the connection, as bridges watch them: Socket, Stream, Conn, Cmd and the backend's event bus.
__d('WAWebCmd', (exports) => {
  const EventEmitter = require('WAWebEventEmitter');

  exports.CmdImpl = class Cmd extends EventEmitter {
    isMainLoaded = false;
    uiBusy = 0;

    mainLoaded() {
      if (this.isMainLoaded) return;
      this.isMainLoaded = true;
      this.trigger('main_loaded');
    }

    refreshQR() { require('SimLink').say({ op: 'refresh' }); }
    logout() { this.trigger('logout'); }
    onTemporaryBan(details) { this.trigger('on_temporary_ban', details); }
    handleOfflineProgressUpdate() { this.trigger('offline_progress_update_from_bridge'); }
    setActiveFilter(kind, label) { this.trigger('set_active_filter', kind, label); }
    sendRevokeMsgs(chat, msgs, options) { return require('SimChanges').revoke(chat, msgs.list ?? msgs, options); }
    sendDeleteMsgs(chat, msgs) { return require('SimChanges').remove(chat, msgs.list ?? msgs); }
    sendStarMsgs(chat, msgs) { return require('SimChanges').star(msgs.list ?? msgs, true); }
    sendUnstarMsgs(chat, msgs) { return require('SimChanges').star(msgs.list ?? msgs, false); }
    archiveChat(chat, value) { return require('SimChanges').flag(chat, 'archive', value); }
    pinChat(chat, value) { return require('SimChanges').flag(chat, 'pin', value); }
    markChatUnread(chat, value) { return require('SimChanges').flag(chat, 'unread', value); }
    async openChatAt({ chat }) { return require('SimChanges').open(chat); }
    async openChatBottom(chat) { return require('SimChanges').open(chat.chat ?? chat); }
    async openChatFromUnread(chat) { return require('SimChanges').open(chat.chat ?? chat); }
    async closeChat(chat) { chat.active = false; }
  };
  exports.Cmd = new exports.CmdImpl();
});

__d('WAWebBackendEventBus', (exports) => {
  const EventEmitter = require('WAWebEventEmitter');
  const names = [
    ...['app_state_sync_completed', 'logout', 'refresh_qr', 'starting_logout', 'on_initial_chat_synced'],
    ...['on_recent_chat_history_synced', 'on_full_chat_history_synced', 'on_critical_sync_done'],
    ...['new_history_sync_chunk_processed', 'storage_initialization_error', 'socket_stream_disconnected'],
    ...['open_socket_stream', 'reconnect_socket', 'set_socket_state', 'update_status_privacy_settings'],
    ...['account_temporarily_banned', 'account_sync_for_privacy', 'unexpected_logout_modal', 'initial_load_ready'],
    ...['main_stream_mode_ready', 'service_unavailable_503', 'offline_process_ready', 'offline_delivery_end'],
    ...['offline_delivery_state_reset', 'on_ab_props_update', 'ab_props_loaded'],
  ];
  exports.BackendEvent = Object.fromEntries(names.map((name) => [name.toUpperCase(), name]));
  exports.BackendEventBus = new (class BackendEventBus extends EventEmitter {
    isMainStreamReadyMd = false;
    isOfflineDeliveryEnd = false;
    onStorageInitializationError(handle) { return this.on('storage_initialization_error', handle); }
    triggerStorageInitializationError(error) { this.trigger('storage_initialization_error', error); }
  })();
});

__d('WAWebSocketModel', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');

  class SocketModel extends BaseModel {
    logout(_send, reason = 'user_initiated') { return require('SimLogin').logout(reason, true); }
    takeover() { require('SimLogin').takeover(); }
    reconnect() { require('SimLogin').reconnect(); }
    poke() { require('SimLink').say({ op: 'refresh' }); }
    initConn() {}
    clearCredentialsAndStoredData() { return require('SimLogin').logout('user_initiated', true); }
  }
  defineModel(SocketModel, 'socket', ['state', 'stream', 'hasSynced', 'canSend', 'launched', 'launchGeneration']);
  exports.Socket = new SocketModel({ state: 'UNLAUNCHED', stream: 'DISCONNECTED', hasSynced: false, canSend: false });
});

__d('WAWebStreamModel', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');

  class StreamModel extends BaseModel {
    markAvailable() { this._presence(true); }
    markUnavailable() { this._presence(false); }

    _presence(available) {
      if (this.available === available) return;
      this.available = available;
      require('SimLink').say({ op: 'available', available });
    }
  }
  defineModel(StreamModel, 'stream', ['mode', 'info', 'available', 'needsUpdate', 'displayInfo', 'resumeCount']);
  exports.Stream = new StreamModel({ info: 'OPENING', needsUpdate: false, available: false });
});

__d('WAWebConnModel', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');

  exports.ConnImpl = class Conn extends BaseModel {
    canSetMyPushname() { return true; }
  };
  defineModel(exports.ConnImpl, 'conn', ['ref', 'connected', 'platform', 'pushname', 'wid', 'battery', 'plugged', 'isSMB', 'refTTL']);
  exports.Conn = new exports.ConnImpl({ ref: undefined, connected: false, platform: 'android', isSMB: false });
});

__d('WAWebNetworkStatusModel', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');

  class NetworkStatus extends BaseModel {
    checkOnline() { return this.online; }
  }
  defineModel(NetworkStatus, 'networkStatus', ['online']);
  exports.default = new NetworkStatus({ online: true });
  addEventListener('online', () => { exports.default.online = true; });
  addEventListener('offline', () => { exports.default.online = false; });
});

__d('WAWebOfflineHandler', (exports) => {
  exports.OfflineMessageHandler = {
    percent: 0,
    getOfflineDeliveryProgress() { return this.percent; },
    isResumeFromRestartComplete: () => require('WAWebSocketModel').Socket.hasSynced,
  };
});

__d('WAWebLaunchSocketUtils', (exports) => {
  exports.refreshQR = () => require('WAWebCmd').Cmd.refreshQR();
});

__d('WAWebHistorySyncProgressModel', (exports) => {
  const { BaseModel, defineModel } = require('WAWebBaseModel');
  exports.HistorySyncProgressModel = class HistorySyncProgress extends BaseModel {};
  defineModel(exports.HistorySyncProgressModel, 'historySyncProgress', ['realProgress', 'remainingPausedSeconds']);
  const model = new exports.HistorySyncProgressModel({ realProgress: 0 });
  exports.getHistorySyncProgressModel = () => model;
});
