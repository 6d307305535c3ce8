'use strict';
// What everything in WhatsApp's page is made of: emitters.
__d('WAWebEventEmitter', (exports, module) => {
  const LISTENERS = Symbol('listeners');

  module.exports = class EventEmitter {
    on(names, callback, context) {
      if (typeof callback !== 'function') throw new TypeError('Callback parameter passed is not a function');
      this[LISTENERS] ??= new Map();
      for (const name of names.split(' ')) {
        const known = this[LISTENERS].get(name) ?? [];
        this[LISTENERS].set(name, [...known, { callback, context }]);
      }
      return this;
    }

    once(names, callback, context) {
      const wrapped = (...args) => {
        this.off(names, wrapped);
        callback.apply(context ?? this, args);
      };
      wrapped.original = callback;
      return this.on(names, wrapped, context);
    }

    off(names, callback) {
      for (const name of names ? names.split(' ') : [...(this[LISTENERS]?.keys() ?? [])]) {
        const kept = (this[LISTENERS]?.get(name) ?? [])
          .filter((each) => callback && each.callback !== callback && each.callback.original !== callback);
        this[LISTENERS]?.set(name, kept);
      }
      return this;
    }

    trigger(name, ...args) {
      for (const { callback, context } of this[LISTENERS]?.get(name) ?? []) {
        try {
          callback.apply(context ?? this, args);
        } catch (error) {
          // One listener must not keep the others from hearing.
          console.error(`listener of ${name}`, error);
        }
      }
      if (name !== 'all') this.trigger('all', name, ...args);
      return this;
    }

    listenTo(other, names, callback) {
      other.on(names, callback, this);
      return this;
    }

    stopListening(other, names, callback) {
      other?.off(names, callback);
      return this;
    }

    removeAllListeners() {
      this[LISTENERS]?.clear();
      return this;
    }
  };
});
