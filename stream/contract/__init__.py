"""The contract: what goes in, what comes out, and why a record is refused."""
