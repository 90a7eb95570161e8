"""Where the local stack keeps things and how big it may become; read from the environment, once per command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stream.errors import SnapupError, bad_settings


def _xdg(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable, "")
    # The XDG specification: a relative path is to be ignored.
    return (Path(base) if base.startswith("/") else Path.home() / fallback) / "snapup"


def _default_cache_dir() -> Path:
    return _xdg("XDG_CACHE_HOME", ".cache")


def _default_state_dir() -> Path:
    return _xdg("XDG_STATE_HOME", ".local/state")


class LocalSettings(BaseSettings):
    """Settings of the local Kafka and Redis, from SNAPUP_* variables."""

    model_config = SettingsConfigDict(env_prefix="SNAPUP_", frozen=True, extra="ignore")

    cache_dir: Path = Field(default_factory=_default_cache_dir, description="jars and unpacked packages, kept")
    state_dir: Path = Field(default_factory=_default_state_dir, description="state and data of `snapup stack up`")
    java: str | None = Field(default=None, description="java program; default: JAVA_HOME's, then the PATH's")
    redis_server: str | None = Field(
        default=None, description="redis-server program; default: the PATH's, then the cache's"
    )
    kafka_heap_mb: int = Field(default=1024, ge=256, le=65_536, description="-Xmx of the broker")
    redis_maxmemory_mb: int = Field(default=512, ge=16, le=65_536, description="maxmemory of Redis")
    server_start_timeout_s: float = Field(
        default=90.0, gt=0, le=600, description="a server that does not answer by then has failed"
    )
    server_stop_timeout_s: float = Field(
        default=30.0, gt=0, le=600, description="a server that has not ended by then is killed"
    )

    @field_validator("cache_dir", "state_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        """The absolute path: servers run in folders of their own, where a relative path would mean another folder."""
        return value.expanduser().absolute()


def load_local_settings(**values: Any) -> LocalSettings:
    """The settings from the environment, with these values laid over.

    Raises:
        SnapupError: names each bad setting, its value and what is allowed.
    """
    try:
        return LocalSettings(**values)
    except ValidationError as error:
        raise bad_settings(error) from None


def make_folder(folder: Path, variable: str) -> None:
    """Make one of these folders where it is missing; `variable`: the setting to change when that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SnapupError(
            f"{folder} cannot be made ({error.strerror}): point {variable} at a folder of yours."
        ) from None
