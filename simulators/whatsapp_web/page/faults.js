'use strict';
// What a fault does inside the page.
__d('SimFaults', () => {
  const login = require('SimLogin');
  const grown = [];

  const hang = ({ s }) => {
    const end = s ? Date.now() + s * 1000 : Infinity;
    setTimeout(() => { while (Date.now() < end); }, 0);
  };

  // Random numbers on the heap: neither the collector nor compressed memory can make them small.
  const memory = ({ mb_per_s: rate = 50, mb_max: max = 1024 }) => {
    const step = () => {
      for (let mb = 0; mb < rate / 10 && grown.length < max; mb += 1) grown.push(Array.from({ length: 131072 }, Math.random));
      if (grown.length < max) setTimeout(step, 100);
    };
    step();
  };

  const kinds = {
    hang,
    memory,
    reload: () => location.reload(),
    state: ({ state, over }) => login.force(over ? null : state),
    stuck: ({ over }) => login.stick(!over),
  };
  require('SimLink').on('fault', ({ kind, ...args }) => kinds[kind]?.(args));
});
