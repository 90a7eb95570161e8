"""Records as they lie in Kafka's logs: every codec, every batch, whoever made it. For all who read the input topics."""
