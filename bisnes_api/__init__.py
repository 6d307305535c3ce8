"""The HTTP side: REST for companies, webhooks of providers, health. Knows PostgreSQL (by `db`) and nothing else."""
