"""A simulated WhatsApp Web: a page with WhatsApp's module registry, and the server behind it."""
