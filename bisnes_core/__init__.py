"""Words and rules of the gateway: message, status, routing, channel contract, errors, retry, settings. No I/O."""
