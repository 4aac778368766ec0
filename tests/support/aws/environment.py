"""An environment in which boto3 and the `aws` CLI find nothing of this machine's user, and ask nobody outside of loopback."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

KEPT = ("PATH", "TMPDIR", "LANG", "XDG_CACHE_HOME")
SPELLED = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
NOBODY = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "localhost,127.0.0.1,::1",
    "AWS_MAX_ATTEMPTS": "1",
}


def hermetic(home: Path, *more: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a process whose user has `home`. `more` is added in order: keys (`Keys.environment`), an IMDS."""
    whole = {name: os.environ[name] for name in KEPT if name in os.environ} | NOBODY | {"HOME": str(home)}
    for one in more:
        whole |= one
    return whole


@cache
def loader(data_path: str | None) -> Any:
    """botocore's loader of the models of services. Each session has its own otherwise, which reads them for 80 ms."""
    from botocore.loaders import create_loader

    return create_loader(data_path)


def inherit(patch: pytest.MonkeyPatch, *more: Mapping[str, str]) -> None:
    """The same for this process and those that it starts: what is of AWS or a proxy goes, then `more` is added."""
    patch.setattr("botocore.session.create_loader", loader)
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower() in SPELLED:
            patch.delenv(name)
    for one in (NOBODY, *more):
        for name, value in one.items():
            patch.setenv(name, value)
