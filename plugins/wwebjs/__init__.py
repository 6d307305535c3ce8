"""WhatsApp Web in a real browser: one Chromium per phone, driven over WebDriver BiDi."""
