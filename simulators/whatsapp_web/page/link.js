'use strict';
// The link to the server: operations that must arrive wait in the outbox, questions get answers, events get handlers.
__d('SimLink', (exports) => {
  const profile = require('SimProfile');
  const handlers = new Map();
  const questions = new Map();
  const waiting = new Map();
  let socket = null;
  let asked = 0;
  // Only a page that the server has welcomed, and that no fault holds, hands anything over.
  exports.open = false;
  exports.held = false;

  exports.on = (op, handle) => handlers.set(op, handle);

  const hear = ({ data }) => {
    const said = JSON.parse(data);
    const handle = handlers.get(said.op);
    try {
      handle?.(said);
    } catch (error) {
      console.error(`event ${said.op}`, error);
    }
    if (said.seq) got(said.seq);
  };

  // Several events make one "got": the server keeps what it has not heard of.
  let gotSeq = 0;
  const got = (seq) => {
    if (!gotSeq) setTimeout(() => { exports.say({ op: 'got', seq: gotSeq }); gotSeq = 0; }, 20);
    gotSeq = Math.max(gotSeq, seq);
  };

  exports.say = (said) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(said));
  };

  exports.connect = () => {
    const { page, device = '' } = window.__simulator;
    socket = new WebSocket(`${location.origin.replace('http', 'ws')}/link?${new URLSearchParams({ page, device })}`);
    socket.onopen = () => handlers.get('up')?.();
    socket.onmessage = hear;
    socket.onclose = () => {
      exports.open = false;
      for (const { reject } of questions.values()) reject(new Error('link is down'));
      questions.clear();
      handlers.get('down')?.();
    };
  };

  exports.ask = (name, details = {}) => new Promise((resolve, reject) => {
    if (socket?.readyState !== WebSocket.OPEN) {
      reject(new Error('link is down'));
      return;
    }
    asked += 1;
    questions.set(asked, { resolve, reject });
    exports.say({ op: 'ask', n: asked, name, ...details });
  });

  exports.on('answer', ({ n, value, error }) => {
    const question = questions.get(n);
    questions.delete(n);
    if (error) question?.reject(Object.assign(new Error(error.detail), { code: error.code, status: error.status }));
    else question?.resolve(value);
  });

  // Resolves `stored` when the operation is in the profile, `acked` when the server has it. `operation.id` names it.
  exports.deliver = (operation) => {
    const id = operation.id ?? operation.m.id;
    const known = waiting.get(id);
    const entry = known ?? { place: null, operation };
    entry.acked ??= new Promise((resolve) => { entry.resolve = resolve; });
    waiting.set(id, entry);
    const stored = profile.put(operation).then((place) => {
      entry.place ??= place;
      if (entry.place !== place) profile.drop(place);
      if (exports.open && !exports.held) exports.say(operation);
    });
    return { stored, acked: entry.acked };
  };

  exports.on('ack', (ack) => {
    const entry = waiting.get(ack.id);
    waiting.delete(ack.id);
    if (entry?.place) profile.drop(entry.place);
    handlers.get('acked')?.(ack);
    entry?.resolve?.(ack);
  });

  // What an earlier load of the page left, and what is still on its way: everything again, in its order.
  exports.resume = async () => {
    const pending = await profile.pending();
    for (const { place, operation } of pending) {
      const id = operation.id ?? operation.m.id;
      const entry = waiting.get(id) ?? { operation };
      entry.place ??= place;
      waiting.set(id, entry);
      handlers.get('resumed')?.(operation);
      exports.say(operation);
    }
  };
});
