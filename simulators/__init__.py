"""Stand-ins for the providers' services, for demo, tests and benchmarks. They import nothing of the product."""
