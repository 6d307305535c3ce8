'use strict';
// Constants: acks, message types, socket states, limits, properties of the build.
// Values from wa-js 4.6.0, src/whatsapp/enums, read 2026-11-25.
(() => {
  const same = (...names) => Object.fromEntries(names.map((name) => [name, name]));
  const lower = (...names) => Object.fromEntries(names.map((name) => [name, name.toLowerCase()]));
  const all = (name, values) => __d(name, (exports) => Object.assign(exports, values));

  all('WAWebAck', {
    ACK: { MD_DOWNGRADE: -7, INACTIVE: -6, CONTENT_UNUPLOADABLE: -5, CONTENT_TOO_BIG: -4, CONTENT_GONE: -3, EXPIRED: -2, FAILED: -1, CLOCK: 0, SENT: 1, RECEIVED: 2, READ: 3, PLAYED: 4, PEER: 5 },
    EDIT_ATTR: { SENDER_REVOKE: 7, ADMIN_REVOKE: 8 },
    ACK_STRING: { SENDER: 'sender', DELIVERY: 'delivery', READ: 'read', PLAYED: 'played', INACTIVE: 'inactive', READ_SELF: 'read-self', PLAYED_SELF: 'played-self' },
  });
  all('WAWebMsgType', {
    MSG_TYPE: lower(
      ...['NOTIFICATION', 'NOTIFICATION_TEMPLATE', 'GROUP_NOTIFICATION', 'GP2', 'BROADCAST_NOTIFICATION'],
      ...['E2E_NOTIFICATION', 'CALL_LOG', 'PROTOCOL', 'CHAT', 'LOCATION', 'PAYMENT', 'VCARD', 'CIPHERTEXT'],
      ...['MULTI_VCARD', 'REVOKED', 'OVERSIZED', 'GROUPS_V4_INVITE', 'HSM', 'TEMPLATE_BUTTON_REPLY', 'IMAGE', 'VIDEO'],
      ...['AUDIO', 'PTT', 'STICKER', 'DOCUMENT', 'PRODUCT', 'ORDER', 'LIST', 'INTERACTIVE', 'LIST_RESPONSE'],
      ...['BUTTONS_RESPONSE', 'REACTION', 'NATIVE_FLOW', 'POLL_CREATION', 'UNKNOWN'],
    ),
    SYSTEM_MESSAGE_TYPES: ['notification', 'notification_template', 'gp2', 'e2e_notification', 'protocol'],
  });
  all('WAWebSocketConstants', {
    SOCKET_STATE: same('OPENING', 'PAIRING', 'UNPAIRED', 'UNPAIRED_IDLE', 'CONNECTED', 'TIMEOUT', 'CONFLICT', 'UNLAUNCHED', 'PROXYBLOCK', 'TOS_BLOCK', 'SMB_TOS_BLOCK', 'DEPRECATED_VERSION'),
    SOCKET_STREAM: same('DISCONNECTED', 'SYNCING', 'RESUMING', 'CONNECTED'),
    WATCHED_SOCKET_STATE: same('OPEN', 'CLOSED'),
  });
  all('WAWebSendMsgResultAction', {
    SendMsgResult: same('OK', 'ERROR_NETWORK', 'ERROR_EXPIRED', 'ERROR_CANCELLED', 'ERROR_UPLOAD', 'ERROR_UNKNOWN'),
  });
  all('WAWebWamEnumMediaType', { OUTWARD_TYPES: lower('IMAGE', 'VIDEO', 'AUDIO', 'PTT', 'PTV', 'STICKER', 'DOCUMENT', 'PRODUCT', 'UNKNOWN') });
  all('WAWebLogoutReasonConstants', {
    LogoutReason: {
      UserInitiated: 'user_initiated', SyncdFailure: 'syncd_failure', InvalidAdvStatus: 'invalid_adv_status',
      CriticalSyncTimeout: 'critical_sync_timeout', SyncdTimeout: 'syncd_timeout', HistorySyncTimeout: 'history_sync_timeout',
      AccountSyncTimeout: 'account_sync_timeout', MDOptOut: 'md_opt_out', UnknownCompanion: 'unknown_companion',
      ClientVersionOutdated: 'client_version_outdated', StorageQuotaExceeded: 'storage_quota_exceeded',
      PrimaryIdentityKeyChange: 'primary_identity_key_change', AccountLocked: 'account_locked',
    },
    LOGOUT_REASON_CODE: { CLIENT_FATAL: '0', SYNC_FAIL: '1', INITIAL_HISTORY_SYNC_TIMEOUT: '2', ACCOUNT_LOCKED: '3' },
  });
  all('WAWebGroupConstants', { GROUP_SETTING_TYPE: lower('ANNOUNCEMENT', 'RESTRICT', 'NO_FREQUENTLY_FORWARDED', 'EPHEMERAL') });
  all('WAWebKeepInChatConstants', { KIC_ENTRY_POINT_TYPE: { CHAT_INFO: 1, SEARCH: 2, CHAT: 3, MEDIA: 4, DOCS: 5, LINKS: 6 } });
  all('WAWebPinMsgConstants', {
    PIN_STATE: { INVALID: 0, PIN: 1, UNPIN: 2 },
    PinExpiryDurationOption: Object.fromEntries(['FiveSeconds', 'FifteenSeconds', 'OneMinute', 'OneDay', 'SevenDays', 'ThirtyDays'].map((name) => [name, name])),
    getPinExpiryDuration: () => 604800,
  });
  all('WAWebNonJidMentionType', { default: { MENTION_ALL: 1 } });
  all('WAWebVoipCallState', { CallState: { None: 0, Calling: 1, PreacceptReceived: 2, ReceivedCall: 3, AcceptSent: 4, AcceptReceived: 5, CallActive: 6, CallActiveElseWhere: 7, ReceivedCallWithoutOffer: 8, Rejoining: 9, Link: 10, ConnectedLonely: 11, PreCalling: 12, CallStateEnding: 13, CallBCallStarting: 14 } });
  all('WAWebServerPropConstants', { MAX_FILE_SIZE_BYTES: 2147483648, MULTICAST_LIMIT_GLOBAL: 5, STATUS_VIDEO_MAX_DURATION: 60 });

  const [primary, secondary, tertiary] = window.__simulator.version.split('.');
  all('WAWebBuildConstants', {
    VERSION_STR: window.__simulator.version,
    VERSION_BASE: window.__simulator.version,
    VERSION_PRIMARY: primary,
    VERSION_SECONDARY: secondary,
    VERSION_TERTIARY: tertiary,
    WINDOWS_BUILD: null,
    SANITIZED_VERSION_STR: window.__simulator.version,
  });
  all('WAWebEnvironment', { default: { isWeb: true, isWindows: false, isGuest: false }, isWeb: true, isWindows: false });
  all('WAWebMiscBrowserUtils', {
    default: { id: 'browser', startDownloading() {}, hardRefresh: () => location.reload(), info: () => browserInfo() },
    info: () => browserInfo(),
  });
  const browserInfo = () => ({ os: 'Linux', version: '0', name: 'Chrome', ua: navigator.userAgent });
  all('WAWebIsOfficialClient', { isOfficialClient: false });
  all('WAWebABProps', { getABPropConfigValue: () => false });
  all('WAWebABPropsCache', {
    getAllABPropConfigs: () => [],
    getAllABPropsMap: () => new Map(),
    getABPropConfigNameFromCode: () => null,
  });
  all('WATimeUtils', { unixTime: () => Math.floor(Date.now() / 1000), unixTimeMs: () => Date.now() });
  all('WARandomHex', {
    randomHex: (bytes) => [...crypto.getRandomValues(new Uint8Array(bytes))]
      .map((byte) => byte.toString(16).padStart(2, '0')).join('').toUpperCase(),
  });
  all('WABase64', {
    encodeB64: (bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join('')),
    decodeB64: (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer,
  });
  all('WALinkify', {
    findLinks: (text) => [...String(text ?? '').matchAll(/https?:\/\/[^\s]+/g)].map(([href]) => ({ href, url: href, value: href })),
    findLink: (text) => require('WALinkify').findLinks(text)[0] ?? null,
    findFirstWebLink: (text) => require('WALinkify').findLinks(text)[0]?.href ?? null,
  });
})();
