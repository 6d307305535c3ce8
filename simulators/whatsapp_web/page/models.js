'use strict';
// Models with attributes and change events, and collections of them.
__d('WAWebBaseModel', (exports) => {
  const EventEmitter = require('WAWebEventEmitter');
  const DATA = Symbol('attributes');

  class BaseModel extends EventEmitter {
    constructor(attributes = {}, options = {}) {
      super();
      this[DATA] = {};
      this.collection = undefined;
      Object.defineProperty(this, 'collection', { enumerable: false, writable: true, value: options.collection });
      this.set(attributes, { silent: true });
      this.initialize();
    }

    initialize() {}

    get attributes() {
      return this[DATA];
    }

    get(name) {
      return this[name];
    }

    set(first, second, third) {
      const values = typeof first === 'string' ? { [first]: second } : first;
      const options = (typeof first === 'string' ? third : second) ?? {};
      const changed = [];
      for (const [name, value] of Object.entries(values)) {
        ensure(this.constructor, name);
        const before = this[DATA][name];
        if (before === value) continue;
        this[DATA][name] = value;
        if (value instanceof BaseModel) this._adopt(name, value);
        changed.push([name, value, before]);
      }
      if (!options.silent) this._changed(changed);
      return this;
    }

    _changed(changed) {
      for (const [name, value, before] of changed) this._emit(`change:${name}`, this, value, before);
      if (changed.length) this._emit('change', this);
    }

    _emit(name, ...args) {
      this.trigger(name, ...args);
      this.collection?.trigger(name, ...args);
    }

    // A change of a model that is an attribute of this one is heard here under its path.
    _adopt(name, child) {
      child.on('all', (event, ...args) => {
        if (event.startsWith('change:')) this._emit(`change:${name}.${event.slice(7)}`, ...args);
      });
    }

    unset(names) {
      for (const name of [names].flat()) this.set({ [name]: undefined });
    }

    serialize() {
      const hidden = this.constructor.session ?? new Set();
      const result = {};
      for (const [name, value] of Object.entries(this[DATA])) {
        if (hidden.has(name) || value === undefined) continue;
        result[name] = value instanceof BaseModel || value instanceof Collection() ? value.serialize() : value;
      }
      return result;
    }

    toJSON() {
      return this.serialize();
    }

    delete() {
      this.collection?.remove(this);
    }
  }

  const Collection = () => require('WAWebCollection');

  const ensure = (model, name) => {
    if (name in model.prototype) return;
    Object.defineProperty(model.prototype, name, {
      configurable: true,
      get() { return this[DATA]?.[name]; },
      set(value) { this.set({ [name]: value }); },
    });
  };

  // proxyName is by what wa-js knows a model's class.
  exports.defineModel = (model, proxyName, props = []) => {
    model.prototype.proxyName = proxyName;
    model.prototype.__props = props;
    for (const name of props) ensure(model, name);
    return model;
  };
  exports.BaseModel = BaseModel;
});

__d('WAWebCollection', (exports, module) => {
  const EventEmitter = require('WAWebEventEmitter');
  const keyOf = (id) => (id === undefined || id === null ? undefined : id.toString());
  const isRaw = (id) => typeof id === 'object' && id !== null && Object.getPrototypeOf(id) === Object.prototype;

  module.exports = class Collection extends EventEmitter {
    constructor(models = [], options = {}) {
      super();
      this.modelClass = options.model ?? this.constructor.model;
      if (!this.modelClass) throw new Error('Collection initialized without model');
      this._models = [];
      this._index = Object.create(null);
      this.add(models, { silent: true });
    }

    get length() {
      return this._models.length;
    }

    add(given, options = {}) {
      const added = [given].flat().map((each) => this._addOne(each, options));
      return Array.isArray(given) ? added : added[0];
    }

    _addOne(each, options) {
      const key = keyOf(each.id);
      const known = this._index[key];
      if (known) {
        if (options.merge && known !== each) known.set(each.attributes ?? each);
        return known;
      }
      const model = each instanceof this.modelClass ? each : new this.modelClass(each);
      model.collection ??= this;
      this._index[key] = model;
      this._place(model);
      if (!options.silent) this.trigger('add', model, this, options);
      return model;
    }

    _place(model) {
      const compare = this.constructor.comparator;
      let at = this._models.length;
      while (compare && at > 0 && compare(this._models[at - 1], model) > 0) at -= 1;
      this._models.splice(at, 0, model);
    }

    get(id) {
      if (id instanceof this.modelClass) return this._index[keyOf(id.id)];
      const key = keyOf(isRaw(id) ? id._serialized ?? id.id ?? undefined : id);
      return key === undefined ? undefined : this._index[key];
    }

    assertGet(id) {
      const model = this.get(id);
      if (!model) throw new Error(`no model ${id}`);
      return model;
    }

    remove(given) {
      for (const each of [given].flat()) {
        const model = this.get(each);
        if (!model) continue;
        delete this._index[keyOf(model.id)];
        this._models.splice(this._models.indexOf(model), 1);
        this.trigger('remove', model, this);
      }
    }

    reset() {
      this._models = [];
      this._index = Object.create(null);
      this.trigger('reset', this);
    }

    at(position) { return this._models.at(position); }
    head() { return this._models[0]; }
    last() { return this._models.at(-1); }
    includes(model) { return this._models.includes(model); }
    toArray() { return this._models.slice(); }
    getModelsArray() { return this._models.slice(); }
    map(each, context) { return this._models.map(each, context); }
    filter(each, context) { return this._models.filter(each, context); }
    forEach(each, context) { this._models.slice().forEach(each, context); }
    find(each) { return this._models.find(each); }
    findFirst(each) { return this._models.find(each); }
    some(each) { return this._models.some(each); }
    where(ids) { return ids.map((id) => this.get(id)).filter(Boolean); }
    serialize() { return this._models.map((model) => model.serialize()); }
    toJSON() { return this.serialize(); }
    sort() { this.trigger('sort', this); return this; }
  };
});

__d('WAWebBaseCollection', (exports) => {
  const Collection = require('WAWebCollection');

  exports.BaseCollection = class BaseCollection extends Collection {
    // Unlike a plain collection's, `find` is asynchronous: it asks for what is not here.
    async find(id) {
      return this.get(id) ?? this.findQuery(id);
    }

    async findQuery(id) {
      return this.add({ id });
    }

    async update(id) {
      return this.find(id);
    }

    gadd(id) {
      return this.get(id) ?? this.add({ id });
    }
  };
});
