'use strict';
// Before anything of WhatsApp runs: which browser profile this is, who is logged in on it, how this load shall be.
(() => {
  const open = () => new Promise((resolve, reject) => {
    const request = indexedDB.open('whatsapp-simulator', 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('profile');
      request.result.createObjectStore('outbox', { autoIncrement: true });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const read = (db, key) => new Promise((resolve, reject) => {
    const request = db.transaction('profile').objectStore('profile').get(key);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const script = (name) => {
    const element = document.createElement('script');
    element.src = `/page/${name}`;
    element.async = false;
    document.head.append(element);
  };
  const start = async () => {
    const db = await open();
    const [device, login] = await Promise.all([read(db, 'device'), read(db, 'login')]);
    const query = new URLSearchParams({ device: device ?? '', token: login?.token ?? '' });
    const config = await (await fetch(`/open?${query}`)).json();
    window.__simulator = { ...config, db, device, login };
    config.scripts.forEach(script);
  };
  start().catch((error) => { document.title = `not loaded: ${error}`; });
})();
