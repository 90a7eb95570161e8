"""Every setting of every command: from the environment (`SNAPUP_…`) or a flag, checked once, passed on explicitly.

docs/operations.md lists the settings from this one table.
"""

from __future__ import annotations

import ipaddress
import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from stream.contract.events import EDITION
from stream.contract.overlay import SIGNALS_EDITION
from stream.core.mechanic import NO_MECHANICS, Installed
from stream.core.rules import Rules
from stream.errors import SnapupError, bad_settings
from stream.kafka_clients import Brokers, Mechanism, Protocol, Security
from stream.kernel.choice import Choice
from stream.redis_address import AddressSettings, RedisAddress, address_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_settings import PydanticBaseSettingsSource

Port = Annotated[int, Field(ge=0, le=65_535)]
Ms = Annotated[int, Field(gt=0)]
PREFIX = "SNAPUP_"
# The least ratio of difflib for a near name: a letter or two more, fewer or swapped. SNAPUP_REDIS_SERVER is far enough
# from SNAPUP_REDIS_URL.
NEARLY = 0.9
# Three orders in a row of one product by one account, at least the gap apart, at gaps that differ by the second at
# most.
SUSPECT_REGULAR_GAP_MS, SUSPECT_REGULAR_WITHIN_MS = 10_000, 2_000
# Between two points of the history of a room in which something goes on.
HISTORY_STEP_MS = 10_000
# How many sources of views a session keeps apart. The views of all others are one row.
SOURCES_MAX = 32
# Of how many products a session keeps figures. How often others are named is one number.
PRODUCTS_MAX = 200
# How many people must have paid before a payer whom the room never saw is suspected. Where three in ten buy from
# elsewhere, 90 % of twenty payers are seen by chance now and then, and honest orders would raise an alarm.
SUSPECT_SEEN_PAYERS = 100
# Each of these may be read from a file, which the setting with `_file` after the name names.
SECRETS = ("token_secret", "sasl_password", "ssl_key_password")
WAYS_IN = ("SECURITY_PROTOCOL", "SASL_", "SSL_", "REDIS_PASSWORD", "REDIS_SENTINEL_", "REDIS_TLS_")
# Kubernetes sets these in every pod for each Service whose name begins with snapup. The name alone tells them, but for
# `{SERVICE}_PORT`, which may be a setting of ours; that one its value tells, such as tcp://10.96.12.7:8080.
OF_A_SERVICE = re.compile(
    r"(_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)\Z", re.ASCII
)
ADDRESS_OF_A_SERVICE = re.compile(r"(?:tcp|udp|sctp)://(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\]):[0-9]{1,5}", re.ASCII)


def set_by_kubernetes(name: str, value: str) -> bool:
    """Whether Kubernetes sets this variable of the environment for a Service; then it is none of ours."""
    name = name.upper()
    if not name.startswith(PREFIX):
        return False
    if OF_A_SERVICE.search(name):
        return True
    address = ADDRESS_OF_A_SERVICE.fullmatch(value)
    if not name.endswith("_PORT") or address is None:
        return False
    try:
        ip = ipaddress.ip_address(address[1] or address[2])
    except ValueError:
        return False
    # No Service has such an address: its writer meant a place to listen at.
    return not (ip.is_unspecified or ip.is_loopback)


class _Environment(EnvSettingsSource):
    """The environment without what Kubernetes set."""

    def __init__(self, settings_class: type[BaseSettings]) -> None:
        super().__init__(settings_class)
        self.env_vars = {
            name: value for name, value in self.env_vars.items() if not set_by_kubernetes(name, value or "")
        }


class Settings(BaseSettings):
    """What a Snapup process needs to know."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    # Where
    bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port, comma separated")
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        repr=False,
        description="Redis that overlays read: `redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://`",
    )
    redis_password: SecretStr | None = Field(None, description="of Redis, in place of the one in the URL")
    redis_password_file: str = Field("", description="holds the password of Redis; read again for each connection")
    redis_sentinel_username: str = Field("", description="as whom the Sentinels are asked")
    redis_sentinel_password: SecretStr | None = Field(None, description="the Sentinels' own password")
    redis_sentinel_password_file: str = Field("", description="holds it, in place of the variable")
    redis_tls_ca_file: str = Field("", description="PEM: who signs the certificate of Redis; default: the system's")
    redis_tls_cert_file: str = Field("", description="PEM: our own certificate, where Redis asks for one")
    redis_tls_key_file: str = Field("", description="PEM: its key, where it is not in the same file")
    topic_prefix: str = Field("live", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="prefix of topics and Redis keys")
    group: str = Field("snapup", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="consumer group")
    member_name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9._-]{1,64}$", description="static membership: unique and stable, e.g. the pod's name"
    )

    # Kafka's TLS, SASL
    security_protocol: Protocol = Field("PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
    sasl_mechanism: Mechanism | None = Field(None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    sasl_username: str | None = Field(None, min_length=1, description="as whom the brokers know us")
    sasl_password: SecretStr | None = Field(None, description="its password")
    sasl_password_file: Path | None = Field(None, description="a file with the password, instead")
    ssl_cafile: Path | None = Field(None, description="PEM: who may sign a broker's certificate; else the system's")
    ssl_certfile: Path | None = Field(None, description="PEM: our own certificate, where brokers ask for one")
    ssl_keyfile: Path | None = Field(None, description="PEM: its key, unless the certificate's file holds it")
    ssl_key_password: SecretStr | None = Field(None, description="of an encrypted key")
    ssl_key_password_file: Path | None = Field(None, description="a file with it, instead")
    ssl_check_hostname: bool = Field(True, description="a broker's certificate must name the host that was asked")

    # Time
    clock: Literal["wall", "log"] = Field("wall", description="what moves a silent room: the wall clock, or nothing")
    record_times: Literal["checked", "trusted"] = Field(
        "checked",
        description="where producers stamp records (CreateTime): refuse what is far ahead of the wall clock, or trust "
        "it (a show played faster than life)",
    )
    allowed_lateness_ms: int = Field(60_000, ge=0, le=3_600_000, description="how far back a late event still counts")
    hold_ms: int = Field(60_000, ge=1_000, le=86_400_000, description="how long an unpaid order holds its units")
    room_idle_ms: int = Field(6 * 3_600_000, ge=60_000, description="a room silent for longer ends its session")

    show_idle_ms: int = Field(
        24 * 3_600_000, ge=60_000, description="the same of a show that a host has opened by word and not closed"
    )
    ended_ttl_ms: int = Field(
        3_600_000, ge=60_000, description="the last document of a session stays in Redis for so long"
    )

    # Producers
    partitioner: Literal["murmur2", "unchecked"] = Field(
        "murmur2", description="how producers choose a key's partition; murmur2: what lies elsewhere is refused"
    )

    # Pace
    kernel: Choice = Field(
        "auto",
        description="what reads records and flat events in bulk: `native`, `python`; auto: native where it is built",
    )
    fetch_collect_ms: int = Field(25, ge=1, le=1_000, description="while records come, the broker collects this long")
    publish_interval_ms: int = Field(100, ge=20, le=5_000, description="at most one document per room in this time")
    checkpoint_interval_ms: int = Field(1_000, ge=100, le=60_000, description="between two checkpoints of a partition")

    # Bounds
    slice_records: int = Field(5_000, ge=1, le=100_000, description="records handed to the fold at once")
    max_queued_records: int = Field(50_000, ge=1_000, description="records of one topic partition that may wait")
    fetch_max_bytes: int = Field(4 << 20, ge=1 << 14, description="one fetch of one topic partition")
    redis_batch_rooms: int = Field(200, ge=1, le=10_000, description="documents in one pipeline")
    redis_timeout_ms: int = Field(500, ge=10, le=60_000, description="one round trip to Redis")
    distinct_exact_max: int = Field(65_536, ge=64, le=10_000_000, description="members counted exactly, then a sketch")
    remember_ids_ms: int = Field(3_600_000, ge=10_000, description="event ids are remembered half to all of this")
    remember_ids_max: int = Field(1_000_000, ge=1_000, description="event ids remembered per partition")
    remember_orders_ms: int = Field(
        7 * 86_400_000, ge=60_000, description="orders are remembered after their last change"
    )
    remember_sales_ms: int = Field(
        7 * 86_400_000, ge=60_000, description="rooms, and sales without an end, are known after the last word of them"
    )
    remember_orders_max: int = Field(500_000, ge=1_000, description="orders remembered per partition")
    rooms_max: int = Field(50_000, ge=1, description="rooms per partition")
    sales_per_room_max: int = Field(500, ge=1, description="sale and SKU pairs per room")
    mechanic_limits: str = Field(
        "", description="bounds of mechanics, such as `gifts.givers_max=1000`, comma separated; each names its own"
    )
    signal_max_bytes: int = Field(
        1_000_000,
        ge=100_000,
        le=8_000_000,
        description="of a document in the topic `signals`: a larger one goes there without its longest lists",
    )

    keep_claims: bool = Field(
        True, description="write each claim and each withheld one to the topic `claims` too, second by second"
    )

    # Kafka group
    session_timeout_ms: int = Field(6_000, ge=6_000, le=300_000, description="a silent member is out after this")
    heartbeat_interval_ms: int = Field(
        250, ge=100, description="a rebalance reaches a member with its next heartbeat; well below the session time-out"
    )
    rebalance_timeout_ms: int = Field(
        3_000, ge=3_000, description="how long a rebalance waits for members; the others stand still meanwhile"
    )

    # Read server
    serve_host: str = Field("127.0.0.1", description="the read server; elsewhere than on loopback it needs a secret")
    serve_port: Port = Field(8080, description="0: any free port")
    token_secret: SecretStr | None = Field(
        None, description="signs read tokens, at least 32 characters; with commas: the first signs, all are accepted"
    )
    token_secret_file: Path | None = Field(None, description="a file with the secret, instead")
    serve_cors_origins: str = Field("", description="origins whose pages may read, comma separated; *: all")
    serve_picture_hosts: str = Field(
        "", description="hosts that pages may show pictures from, over https, comma separated; default: no pictures"
    )
    serve_trusted_proxies: str = Field("", description="networks whose X-Forwarded-For is believed, comma separated")
    serve_streams_max: int = Field(5_000, ge=1, le=100_000, description="event streams of one process")
    serve_streams_per_address: int = Field(200, ge=1, le=100_000, description="event streams of one client address")
    serve_requests_per_s: int = Field(50, ge=1, le=100_000, description="API requests of one client address")
    serve_ping_ms: int = Field(15_000, ge=100, le=300_000, description="a stream silent for this gets a comment")
    serve_slow_client_ms: int = Field(10_000, ge=100, le=300_000, description="a stream that takes nothing is dropped")
    serve_metrics_port: Port | None = Field(
        None, description="a port at SNAPUP_METRICS_HOST with /metrics, /healthz, /readyz alone, without tokens; 0: any"
    )

    # Gateway
    ingest_host: str = Field("127.0.0.1", description="the gateway; elsewhere than on loopback it needs keys")
    ingest_port: Port = Field(8081, description="0: any free port")
    ingest_keys_file: Path | None = Field(None, description="TOML: who may send what; `snapup ingest-key` writes it")
    ingest_shops_file: Path | None = Field(
        None, description="TOML: shops that send webhooks, and the secrets they sign with"
    )
    ingest_body_max_bytes: int = Field(
        1 << 20, ge=1 << 14, le=1 << 22, description="of one body, before and after unpacking"
    )
    ingest_events_max: int = Field(5_000, ge=1, le=100_000, description="events in one body")
    ingest_body_timeout_ms: int = Field(
        10_000, ge=100, le=300_000, description="a body must be there within this, and some of an answer be taken"
    )
    ingest_timeout_ms: int = Field(
        10_000, ge=100, le=300_000, description="Kafka must acknowledge within this, or the answer is 503"
    )
    ingest_held_max_bytes: int = Field(
        64 << 20, ge=1 << 20, description="bodies and unacknowledged events in memory; beyond them the answer is 503"
    )
    ingest_connections_max: int = Field(512, ge=1, le=100_000, description="connections; half of them for one address")
    ingest_trusted_proxies: str = Field("", description="networks whose X-Forwarded-For is believed, comma separated")
    ingest_metrics_port: Port = Field(9466, description="/metrics, /healthz, /readyz at SNAPUP_METRICS_HOST; 0: any")

    # Operation
    metrics_host: str = Field("127.0.0.1", description="/metrics, /healthz, /readyz")
    metrics_port: Port = Field(9464, description="0: any free port")
    stop_timeout_ms: Ms = Field(8_000, description="from SIGTERM to a hard exit")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is written")

    def redis(self) -> RedisAddress:
        """Where Redis is, and as whom we come.

        Raises:
            SnapupError: the URL is none, or a file is missing; no part of the URL is repeated.
        """
        return address_of(
            self.redis_url,
            AddressSettings(
                password=_said(self.redis_password) or "",
                password_file=self.redis_password_file,
                sentinel_username=self.redis_sentinel_username,
                sentinel_password=_said(self.redis_sentinel_password) or "",
                sentinel_password_file=self.redis_sentinel_password_file,
                ca_file=self.redis_tls_ca_file,
                cert_file=self.redis_tls_cert_file,
                key_file=self.redis_tls_key_file,
            ),
        )

    @classmethod
    def settings_customise_sources(  # noqa: D102 — pydantic's
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Environment(settings_cls), dotenv_settings, file_secret_settings

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The values, with each secret in the place of the file that holds it."""
        for name in SECRETS:
            path = values.get(f"{name}_file")
            if path is None:
                continue
            variable = f"{PREFIX}{name.upper()}"
            if values.get(name) is not None:
                raise ValueError(f"{variable} and {variable}_FILE are both set: leave one out")
            try:
                # Editors and `kubectl create secret --from-file` leave a line's end behind.
                text = Path(path).read_text("utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                raise ValueError(f"{variable}_FILE={path} cannot be read: {why}") from None
            if not text:
                raise ValueError(f"{variable}_FILE={path} is empty")
            values = {**values, name: text}
        return values

    def brokers(self) -> Brokers:
        """Kafka, and how to reach it."""
        return Brokers(
            self.bootstrap_servers,
            Security(
                protocol=self.security_protocol,
                mechanism=self.sasl_mechanism,
                username=self.sasl_username,
                password=_said(self.sasl_password),
                cafile=self.ssl_cafile,
                certfile=self.ssl_certfile,
                keyfile=self.ssl_keyfile,
                key_password=_said(self.ssl_key_password),
                check_hostname=self.ssl_check_hostname,
            ),
        )

    def rules(self, mechanics: Installed = NO_MECHANICS) -> Rules:
        """Returns the part of the settings that the pure core depends on.

        Args:
            mechanics: the known mechanics; their limits are part of the rules.

        Raises:
            SnapupError: a limit of mechanics is none that these have.
        """
        return Rules(
            mechanics=_limits_of(mechanics, self.mechanic_limits),
            isolation="read_committed",
            allowed_lateness_ms=self.allowed_lateness_ms,
            hold_ms=self.hold_ms,
            room_idle_ms=self.room_idle_ms,
            show_idle_ms=self.show_idle_ms,
            ended_ttl_ms=self.ended_ttl_ms,
            pace_busy_ms=self.publish_interval_ms,
            distinct_exact_max=self.distinct_exact_max,
            remember_ids_ms=self.remember_ids_ms,
            remember_ids_max=self.remember_ids_max,
            remember_orders_ms=self.remember_orders_ms,
            remember_sales_ms=self.remember_sales_ms,
            remember_orders_max=self.remember_orders_max,
            rooms_max=self.rooms_max,
            sales_per_room_max=self.sales_per_room_max,
            signal_max_bytes=self.signal_max_bytes,
            history_step_ms=HISTORY_STEP_MS,
            sources_max=SOURCES_MAX,
            products_max=PRODUCTS_MAX,
            keep_claims=self.keep_claims,
            contract_edition=EDITION,
            ids_by_topic=True,
            signals_edition=SIGNALS_EDITION,
            suspect_seen_payers=SUSPECT_SEEN_PAYERS,
            suspect_regular_gap_ms=SUSPECT_REGULAR_GAP_MS,
            suspect_regular_within_ms=SUSPECT_REGULAR_WITHIN_MS,
        )


def _limits_of(mechanics: Installed, said: str) -> dict[str, dict[str, int]]:
    """Returns the limits of mechanics. Where none are known nothing is said of any."""
    if not mechanics.of_name:
        return {}
    try:
        words = [word.partition("=") for word in said.split(",") if word.strip()]
        return mechanics.limits({name.strip(): int(value) for name, _, value in words})
    except ValueError as error:
        raise SnapupError(f"{PREFIX}MECHANIC_LIMITS={said}: {error}. Say name.limit=number, comma separated.") from None


def _said(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def ways_in(environment: Mapping[str, str]) -> list[str]:
    """The variables that say how to get into some Kafka and Redis, and as whom: wrong for servers of our own."""
    return sorted(name for name in environment if name.startswith(tuple(PREFIX + begin for begin in WAYS_IN)))


def _misspelt(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The first variable with our prefix that is nearly a setting, and that setting; the rest belong to others."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for name, value in sorted(environment.items()):
        if name.startswith(PREFIX) and name not in known and not set_by_kubernetes(name, value):
            for meant in get_close_matches(name, known, 1, NEARLY):
                return name, meant
    return None


def load_settings(**flags: Any) -> Settings:
    """Settings from the environment, with flags that are not None on top.

    Raises SnapupError naming each bad setting, its value and what is allowed, or a variable that is misspelt.
    """
    if (misspelt := _misspelt(os.environ)) is not None:
        name, meant = misspelt
        raise SnapupError(f"{name} is not a setting: did you mean {meant}? Nothing reads it as it stands.")
    try:
        settings = Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise bad_settings(error) from None
    if (problem := settings.brokers().problem()) is not None:
        raise SnapupError(f"Bad settings: {problem}")
    return settings
