"""How to reach Kafka: the options of every Kafka client of ours, in one place.

Owns the sensible combinations of TLS and SASL, and the keeping of secrets: neither `repr` nor an error message of this
module shows one.
"""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from stream.errors import SnapupError

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class Security(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """How a connection is made safe.

    Attributes:
        protocol: in Kafka's own name.
        mechanism: the mechanism of SASL.
        username: the user name of SASL.
        password: the password of SASL.
        cafile: PEM of the authorities that may sign a broker's certificate; None: the system's.
        certfile: PEM of our own certificate, for brokers that ask for one (mutual TLS); may hold the key too.
        keyfile: PEM of the certificate's key.
        key_password: the password of an encrypted key.
        check_hostname: whether the certificate must name the host that was asked for.
    """

    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism | None = None
    username: str | None = None
    password: str | None = None
    cafile: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None
    key_password: str | None = None
    check_hostname: bool = True

    def __repr__(self) -> str:
        who = f" as {self.username} by {self.mechanism}" if self.username else ""
        return f"<Security {self.protocol}{who}>"

    __str__ = __repr__

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.protocol in {"SSL", "SASL_SSL"}

    @property
    def sasl(self) -> bool:
        """Whether a connection presents a user name and a password."""
        return self.protocol in {"SASL_PLAINTEXT", "SASL_SSL"}


class Brokers(Struct, frozen=True):
    """A cluster and how to reach it. As text it is its addresses alone.

    Attributes:
        servers: host:port, comma separated.
        security: TLS and SASL.
    """

    servers: str
    security: Security = Security()

    def __str__(self) -> str:
        return self.servers

    def problem(self) -> str | None:
        """What does not fit together, as a sentence; None when all does."""
        return _problem(self.security, self.servers)

    def principal(self) -> str | None:
        """The name in access control lists; None where we do not know it: a broker names a certificate by itself."""
        return f"User:{self.security.username}" if self.security.sasl else None


# A bare string is a cluster reached in plain text.
KafkaAt = str | Brokers


def brokers_of(where: KafkaAt) -> Brokers:
    """The cluster; a bare string is reached in plain text."""
    return Brokers(where) if isinstance(where, str) else where


def client_options(where: KafkaAt) -> dict[str, Any]:
    """The arguments of aiokafka's clients: where the brokers are and how to be let in.

    Raises:
        SnapupError: a certificate or a key cannot be read.
    """
    brokers = brokers_of(where)
    security = brokers.security
    options: dict[str, Any] = {"bootstrap_servers": brokers.servers}
    if security.protocol != "PLAINTEXT":
        options["security_protocol"] = security.protocol
    if security.tls:
        options["ssl_context"] = tls_context(security)
    if security.sasl:
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": security.password,
        }
    return options


def tls_context(security: Security) -> ssl.SSLContext:
    """The context of a TLS connection. The files are read anew each time, so new clients see new certificates.

    Raises:
        SnapupError: names the setting whose file cannot be read, and why.
    """
    try:
        context = ssl.create_default_context(cafile=security.cafile)
    except (OSError, ssl.SSLError) as error:
        raise _unreadable("SNAPUP_SSL_CAFILE", security.cafile, error) from None
    context.check_hostname = security.check_hostname
    if security.certfile is not None:
        for name, path in (("SNAPUP_SSL_CERTFILE", security.certfile), ("SNAPUP_SSL_KEYFILE", security.keyfile)):
            try:
                if path is not None:
                    path.read_bytes()
            except OSError as error:
                raise _unreadable(name, path, error) from None
        try:
            # Never None: OpenSSL would ask for the password on the terminal.
            context.load_cert_chain(security.certfile, security.keyfile, password=security.key_password or "")
        except (OSError, ssl.SSLError) as error:
            raise SnapupError(
                f"SNAPUP_SSL_CERTFILE={security.certfile} cannot be used with its key: is SNAPUP_SSL_KEY_PASSWORD "
                f"right, and do the two belong together? (OpenSSL says: {error})"
            ) from None
    return context


def _unreadable(name: str, path: Path | None, error: OSError) -> SnapupError:
    why = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror or str(error)
    return SnapupError(f"{name}={path} cannot be read: {why}.")


def _problem(security: Security, servers: str) -> str | None:
    named = {
        "SNAPUP_SASL_MECHANISM": security.mechanism,
        "SNAPUP_SASL_USERNAME": security.username,
        "SNAPUP_SASL_PASSWORD": security.password,
    }
    if security.sasl:
        missing = [name for name, value in named.items() if not value]
        if missing:
            return f"SNAPUP_SECURITY_PROTOCOL={security.protocol} needs {' and '.join(missing)} too."
    else:
        left = [name for name, value in named.items() if value is not None]
        if left:
            return (
                f"{left[0]} is set, but SNAPUP_SECURITY_PROTOCOL={security.protocol} shows no password: set it to "
                "SASL_SSL, or to SASL_PLAINTEXT."
            )
    return _problem_of_tls(security) or _problem_of_clear_text(security, servers)


def _problem_of_tls(security: Security) -> str | None:
    files = {
        "SNAPUP_SSL_CAFILE": security.cafile,
        "SNAPUP_SSL_CERTFILE": security.certfile,
        "SNAPUP_SSL_KEYFILE": security.keyfile,
        "SNAPUP_SSL_KEY_PASSWORD": security.key_password,
        "SNAPUP_SSL_CHECK_HOSTNAME": None if security.check_hostname else False,
    }
    left = [name for name, value in files.items() if value is not None]
    if left and not security.tls:
        return (
            f"{left[0]} is set, but SNAPUP_SECURITY_PROTOCOL={security.protocol} is without TLS: set it to "
            f"{'SASL_SSL' if security.sasl else 'SSL'}."
        )
    if security.certfile is None and (security.keyfile is not None or security.key_password is not None):
        return "A key without its certificate: set SNAPUP_SSL_CERTFILE too."
    return None


def _problem_of_clear_text(security: Security, servers: str) -> str | None:
    if security.protocol != "SASL_PLAINTEXT" or security.mechanism != "PLAIN":
        return None
    far = [server.strip() for server in servers.split(",") if not _on_loopback(server.strip())]
    if not far:
        return None
    return (
        f"SASL PLAIN without TLS would send the password in clear text to {far[0]}: set "
        "SNAPUP_SECURITY_PROTOCOL=SASL_SSL, or take SCRAM-SHA-512, which does not show it."
    )


def _on_loopback(server: str) -> bool:
    host = server.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
