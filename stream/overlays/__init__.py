"""The overlay documents in Redis, read for people: `reader` follows one room, `rooms` sums up all of them.

Nothing here writes to Redis.
"""
