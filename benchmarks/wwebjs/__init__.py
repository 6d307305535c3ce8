"""Our channel `wwebjs` beside the real npm package whatsapp-web.js, on one simulated WhatsApp Web.

-   `ours`, `whatsapp_web_js.mjs`: one phone each, in a program of its own that does what its standard input says;
-   `contender`: starts such a program, weighs it and ends it;
-   `whatsapp`: the simulator;
-   `installation`: brings whatsapp-web.js;
-   `figures`: what came out, as tables and against the targets.
"""
