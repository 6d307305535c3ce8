'use strict';
// The browser profile: the login, and the outbox of what the server has not acknowledged yet.
__d('SimProfile', (exports) => {
  const { db } = window.__simulator;

  const write = (name, act) => new Promise((resolve, reject) => {
    // Relaxed: survives the browser being killed, not the power going, and costs a millisecond instead of ten.
    const transaction = db.transaction(name, 'readwrite', { durability: 'relaxed' });
    const request = act(transaction.objectStore(name));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
    transaction.commit();
  });

  exports.device = async () => {
    const { device } = window.__simulator;
    if (device) return device;
    const made = crypto.randomUUID();
    await write('profile', (store) => store.put(made, 'device'));
    window.__simulator.device = made;
    return made;
  };

  exports.setLogin = (login) => {
    window.__simulator.login = login;
    return write('profile', (store) => store.put(login, 'login'));
  };

  exports.clearLogin = async () => {
    window.__simulator.login = undefined;
    await write('profile', (store) => store.delete('login'));
    await write('outbox', (store) => store.clear());
  };

  exports.put = (operation) => write('outbox', (store) => store.add(operation));
  exports.drop = (place) => write('outbox', (store) => store.delete(place));

  exports.pending = () => new Promise((resolve, reject) => {
    const store = db.transaction('outbox').objectStore('outbox');
    const [keys, values] = [store.getAllKeys(), store.getAll()];
    store.transaction.oncomplete = () => resolve(keys.result.map((place, n) => ({ place, operation: values.result[n] })));
    store.transaction.onerror = () => reject(store.transaction.error);
  });
});
