"""The contract: what the worker reads, what it writes, and why it refuses a record."""
