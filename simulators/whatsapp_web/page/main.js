'use strict';
// The page starts: everything that listens to the server, then the link.
(() => {
  // A removed module takes its listeners with it; the rest of the page lives on, as after a WhatsApp update.
  for (const name of ['SimLogin', 'SimReceive', 'SimChanges', 'SimReactions', 'SimVotes', 'SimPresence', 'SimFaults', 'SimScreen']) {
    try {
      require(name);
    } catch (error) {
      console.error(`not started: ${name}`, error);
    }
  }
  window.Debug = { VERSION: window.__simulator.version };
  require('SimLogin').launch();
})();
