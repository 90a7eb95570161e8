"""The HTTP gateway: events over HTTP into Kafka, each acknowledged, or named as an error, or to be sent again."""
