'use strict';
// WhatsApp's module registry: modules are registered with __d, made at their first use, and found by name.
(() => {
  const removed = new Set(window.__simulator.removed);
  const modulesMap = {};

  const entryOf = (name) => {
    const entry = Object.hasOwn(modulesMap, name) ? modulesMap[name] : null;
    if (!entry) throw new Error(`Requiring unknown module "${name}"`);
    if (!entry.module) {
      entry.module = { exports: {} };
      entry.factory(entry.module.exports, entry.module);
    }
    return entry;
  };

  // factory(exports, module): `exports.x = ...` for named exports, `module.exports = ...` for a single one.
  const define = (name, factory) => {
    if (!removed.has(name)) modulesMap[name] = { factory, module: null, namespace: null };
  };
  const require = (name) => (name === '__debug' ? { modulesMap } : entryOf(name).module.exports);
  const importNamespace = (name) => {
    const entry = entryOf(name);
    const { exports } = entry.module;
    if (typeof exports !== 'function') return exports;
    entry.namespace ??= { default: exports };
    return entry.namespace;
  };

  define('Bootloader', (exports) => {
    // Every module is here from the start: there is no bundle to fetch.
    exports.loadModules = (_components, callback) => queueMicrotask(callback);
    exports.__debug = { componentMap: new Map() };
  });

  window.ErrorGuard = { skipGuardGlobal() {} };
  window.importNamespace = importNamespace;
  window.require = require;
  window.__d = define;
})();
