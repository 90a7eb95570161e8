"""A broker that asks who is there: TLS, mutual TLS, SASL over either, and access control lists that deny by default.

On its plain listener everybody may do everything, for that is how tests set it up; clients under test come in by the
other doors. It is one broker for the whole session, so every test has a topic prefix and a principal of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String

from stream import topics
from stream.contract.events import TOPIC_NAMES
from stream.kafka_clients import Brokers, Security
from stream.local.kafka import KafkaServer
from stream.local.ports import LOOPBACK, free_ports
from tests.support.doc_tables import OPERATIONS, rows_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from stream.local.settings import LocalSettings

PASSWORD = "correct horse battery staple"  # noqa: S105 — of this test broker only
USERS = (
    "worker",
    "owner",
    "auditor",
    "replayer",
    "explainer",
    "reporter",
    "recorder",
    "importer",
    "simulator",
    "gateway",
    "resender",
    "limited",
    "nobody",
)
KIND = {"topic": 2, "group": 3, "cluster": 4, "transactional id": 5}
OPERATION = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10, "IdempotentWrite": 12}
LITERAL, PREFIXED, ALLOW = 3, 4, 3


class Grant(NamedTuple):
    """One permission: an operation on a resource; a name that ends in * is a prefix."""

    operation: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.kind} {self.name}"


def documented(process: str, prefix: str, group: str) -> list[Grant]:
    """What a process needs, as docs/operations.md says: the tests grant nothing else."""
    grants = []
    for name, operation, on in rows_of(OPERATIONS.read_text("utf-8"), "permissions"):
        if name.strip("`") != process:
            continue
        kind = next(kind for kind in KIND if on.startswith(kind))
        names = re.findall(r"`([^`]+)`", on)
        if "*inputs*" in on:
            names += TOPIC_NAMES
        for each in names:
            plain = each.replace("PREFIX", prefix).replace("GROUP", group)
            whole = f"{prefix}.{plain}" if kind == "topic" and not plain.startswith(prefix) else plain
            grants.append(Grant(operation.strip("`"), kind, whole))
    assert grants, process
    return grants


class AlterClientQuotasResponse(Response):
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "entries",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("entity", Array(("entity_type", String("utf-8")), ("entity_name", String("utf-8")))),
            ),
        ),
    )


class AlterClientQuotasStruct(RequestStruct):
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = AlterClientQuotasResponse
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", Array(("entity_type", String("utf-8")), ("entity_name", String("utf-8")))),
                ("ops", Array(("key", String("utf-8")), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


class AlterClientQuotas(Request[AlterClientQuotasStruct]):
    API_KEY = 49

    def __init__(self, user: str, key: str, value: float | None) -> None:
        self._entry = ([("user", user)], [(key, value or 0.0, value is None)])

    def build(self, request_struct_class: type[AlterClientQuotasStruct]) -> AlterClientQuotasStruct:
        return request_struct_class([self._entry], False)


class SecuredKafka:
    """The broker, its certificates, and what is set on it.

    Attributes:
        doors: listener → port; SASL_SSL, SASL_PLAINTEXT, SSL, and MUTUAL, which wants a certificate.
        folder: with `ca.pem`, `client.pem`, `client.key` (encrypted with PASSWORD) and, of another authority,
            `stranger.pem`.
    """

    def __init__(self, folder: Path, settings: LocalSettings) -> None:
        self.folder = folder
        self.doors = dict(zip(("SASL_SSL", "SASL_PLAINTEXT", "SSL", "MUTUAL"), free_ports(4), strict=True))
        self._certificates()
        users = " ".join(f'user_{name}="{PASSWORD}"' for name in USERS)
        plain = f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        properties = {
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,"
            "SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,MUTUAL:SSL",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(folder / "server.all.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(folder / "ca.pem"),
            "listener.name.mutual.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "quota.window.num": "3",
        }
        for door in ("sasl_ssl", "sasl_plaintext"):
            properties[f"listener.name.{door}.plain.sasl.jaas.config"] = plain
            for mechanism in ("scram-sha-256", "scram-sha-512"):
                properties[f"listener.name.{door}.{mechanism}.sasl.jaas.config"] = scram
        self.server = KafkaServer(
            folder / "kafka",
            settings,
            properties=properties,
            listeners=self.doors,
            scram_users=dict.fromkeys(USERS, PASSWORD),
        )

    def _certificates(self) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("openssl is MISSING: TLS and SASL were NOT tested. On Debian: apt-get install openssl")
        names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
        for authority in ("ca", "stranger"):
            self._openssl(
                *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={authority}"),
                *("-keyout", f"{authority}.key", "-out", f"{authority}.pem"),
            )
        for who, key in (("server", ["-nodes"]), ("client", ["-passout", f"pass:{PASSWORD}"])):
            self._openssl(
                *("req", "-newkey", "rsa:2048", *key, "-subj", f"/CN={who}", "-addext", names),
                *("-keyout", f"{who}.key", "-out", f"{who}.csr"),
            )
            self._openssl(
                *("x509", "-req", "-in", f"{who}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
                *("-copy_extensions", "copy", "-days", "2", "-out", f"{who}.pem"),
            )
        whole = (self.folder / "server.key").read_text() + (self.folder / "server.pem").read_text()
        (self.folder / "server.all.pem").write_text(whole)

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)  # noqa: S607

    # -- ways in -------------------------------------------------------------------------------------------------------

    def environment(self, user: str, *, protocol: str = "SASL_SSL", mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        """The variables with which a command of ours comes in as this user."""
        found = {
            "SNAPUP_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{self.doors[protocol]}",
            "SNAPUP_SECURITY_PROTOCOL": protocol,
            "SNAPUP_SASL_MECHANISM": mechanism,
            "SNAPUP_SASL_USERNAME": user,
            "SNAPUP_SASL_PASSWORD": PASSWORD,
        }
        return found | ({"SNAPUP_SSL_CAFILE": str(self.folder / "ca.pem")} if protocol == "SASL_SSL" else {})

    def brokers(self, user: str) -> Brokers:
        """The cluster as this user comes in: by SASL_SSL and SCRAM."""
        security = Security(
            protocol="SASL_SSL",
            mechanism="SCRAM-SHA-512",
            username=user,
            password=PASSWORD,
            cafile=self.folder / "ca.pem",
        )
        return Brokers(f"{LOOPBACK}:{self.doors['SASL_SSL']}", security)

    def by_certificate(self) -> dict[str, str]:
        """The variables with which a command of ours comes in as User:CN=client."""
        return {
            "SNAPUP_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{self.doors['MUTUAL']}",
            "SNAPUP_SECURITY_PROTOCOL": "SSL",
            "SNAPUP_SSL_CAFILE": str(self.folder / "ca.pem"),
            "SNAPUP_SSL_CERTFILE": str(self.folder / "client.pem"),
            "SNAPUP_SSL_KEYFILE": str(self.folder / "client.key"),
            "SNAPUP_SSL_KEY_PASSWORD": PASSWORD,
        }

    # -- what is set ---------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def admin(self) -> AsyncIterator[Any]:
        """An admin client that may do everything."""
        client = AIOKafkaAdminClient(bootstrap_servers=self.server.bootstrap_servers)
        await client.start()
        try:
            yield client
        finally:
            await client.close()

    async def apply_topics(self, prefix: str, partitions: int = 2) -> None:
        """Create the declared topics."""
        await topics.apply(self.server.bootstrap_servers, topics.declared(prefix, partitions=partitions))

    async def grant(self, user: str, grants: Iterable[Grant]) -> None:
        """Let a user do these things."""
        async with self.admin() as admin:
            for grant in grants:
                request = CreateAclsRequest(*self._acl(f"User:{user}", grant))
                answer = await admin._send_to_controller(request)
                assert answer.creation_responses[0][0] == 0, answer
                await self._until_known(admin, f"User:{user}", grant, there=True)

    async def revoke(self, user: str, grants: Iterable[Grant]) -> None:
        """Take them away again."""
        async with self.admin() as admin:
            for grant in grants:
                answer = await admin._send_to_controller(DeleteAclsRequest(*self._acl(f"User:{user}", grant)))
                assert answer.filter_responses[0][2], f"{user} had no {grant}"
                await self._until_known(admin, f"User:{user}", grant, there=False)

    async def _until_known(self, admin: Any, principal: str, grant: Grant, *, there: bool) -> None:
        """The controller has answered; the broker learns of it a moment later."""
        deadline = time.monotonic() + 30
        while True:
            kind, name, pattern, *rest = self._acl(principal, grant)
            answer = await admin._send_request(DescribeAclsRequest(kind, name, pattern, *rest))
            if bool(answer.resources) is there:
                return
            assert time.monotonic() < deadline, f"{grant} was not heard of"
            await asyncio.sleep(0.02)

    @staticmethod
    def _acl(principal: str, grant: Grant) -> tuple[Any, ...]:
        pattern = PREFIXED if grant.name.endswith("*") else LITERAL
        name = grant.name.removesuffix("*")
        return KIND[grant.kind], name, pattern, principal, "*", OPERATION[grant.operation], ALLOW

    async def quota(self, user: str, key: str, value: float | None) -> None:
        """Limit a user, such as `producer_byte_rate`; None takes the limit away."""
        async with self.admin() as admin:
            answer = await admin._send_to_controller(AlterClientQuotas(user, key, value))
            assert answer.entries[0][0] == 0, answer
