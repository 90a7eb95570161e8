"""The kinds of error answers of the gateway, by RFC 9457, beside those that HTTP alone explains."""

from __future__ import annotations

from stream.serve.problems import ProblemError, ProblemKind

# When a new try makes sense, in seconds.
AWAY_RETRY_S = 2.0
FULL_RETRY_S = 1.0
STOPPING_RETRY_S = 1.0


class Kind(ProblemKind):
    """Every kind of the gateway's."""

    BAD_BODY = ("bad_body", 400, "The body is not what its type says")
    BAD_ENCODING = ("bad_encoding", 400, "The body cannot be unpacked")
    KEY_MISSING = ("key_missing", 401, "A key is needed")
    KEY_REFUSED = ("key_refused", 401, "The key does not hold")
    NOT_ALLOWED = ("not_allowed", 403, "The key allows none of these events")
    TOPIC_MISSING = ("topic_missing", 400, "The webhook says no topic")
    SIGNATURE_MISSING = ("signature_missing", 401, "A signature is needed")
    SIGNATURE_REFUSED = ("signature_refused", 401, "The signature does not hold")
    OTHER_SHOP = ("other_shop", 403, "The webhook is of another shop")
    UNKNOWN_SHOP = ("unknown_shop", 404, "No such shop")
    BODY_SLOW = ("body_slow", 408, "The body came too slowly")
    BODY_TOO_LARGE = ("body_too_large", 413, "The body is too large")
    TOO_MANY_EVENTS = ("too_many_events", 413, "Too many events in one body")
    UNKNOWN_CONTENT_TYPE = ("unknown_content_type", 415, "Not a content type that is read here")
    UNKNOWN_CONTENT_ENCODING = ("unknown_content_encoding", 415, "Not a content encoding that is read here")
    FOREIGN_HOST = ("foreign_host", 421, "Not the host that was asked for")
    ALL_REFUSED = ("all_refused", 422, "None of these events keeps the contract")
    QUOTA = ("quota", 429, "More events than the key's quota")
    KAFKA_AWAY = ("kafka_away", 503, "Kafka does not acknowledge")
    FULL = ("full", 503, "This gateway is full")
    STOPPING = ("stopping", 503, "This gateway is stopping")


def full() -> ProblemError:
    """The answer while the gateway holds as many bytes as it may."""
    return ProblemError(
        Kind.FULL, "too many bytes wait for Kafka: send the same body again later", retry_after_s=FULL_RETRY_S
    )
