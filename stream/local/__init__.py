"""The local Kafka and Redis: real servers on loopback, for demo, tests and bench."""
