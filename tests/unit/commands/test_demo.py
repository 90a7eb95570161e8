"""What the demo takes from the shell that it is started in."""

from __future__ import annotations

from stream.commands.demo import ignore_other_servers
from stream.settings import Settings


def test_what_is_meant_for_servers_elsewhere_is_ignored_and_the_rest_is_not() -> None:
    ways = {name for name in Settings.model_fields if name.startswith(("sasl_", "ssl_", "redis_tls_", "security_"))}
    assert len(ways) > 10
    meant = {f"SNAPUP_{name.upper()}" for name in {*ways, "redis_url", "redis_password_file", "token_secret"}}
    ours = {
        "SNAPUP_HOLD_MS": "30000",
        "SNAPUP_REDIS_BATCH_ROOMS": "7",
        "SNAPUP_REDIS_SERVER": "/usr/bin/redis-server",
        "SNAPUP_REDIS_MAXMEMORY_MB": "64",
        "SNAPUP_CACHE_DIR": "/var/cache",
        "PATH": "/bin",
    }
    environment = dict.fromkeys(meant, "x") | ours
    assert ignore_other_servers(environment) == sorted(meant)
    assert environment == ours
    assert ignore_other_servers(environment) == []
