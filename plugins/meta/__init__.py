"""WhatsApp through Meta's Cloud API, directly or behind 360dialog."""
