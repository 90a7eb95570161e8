"""Records as they lie in Kafka's logs: any codec, any batch, any producer. All readers of the input topics use it."""
