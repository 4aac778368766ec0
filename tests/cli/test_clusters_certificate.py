"""The files of a cluster's own certificate: a key that others can read is not kept so, and a pair that does not fit is no certificate."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from l7gw.cli.clusters_certificate import Job, good_until, install
from l7gw.config.settings import Certificate
from l7gw.demo.pki import Authority
from tests.support.ending import certificate


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    cluster: Any = SimpleNamespace(name="prod", hosts=("prod.example.com",))
    about = tmp_path.stat()
    return Job(cluster, Certificate(tmp_path / "prod.crt", tmp_path / "prod.key"), (about.st_uid, about.st_gid))


@pytest.mark.parametrize("before, after", [(None, 0o600), (0o600, 0o600), (0o644, 0o600), (0o666, 0o600)])
def test_a_key_that_others_could_read_is_theirs_no_more(job: Job, authority: Authority, before: int | None, after: int) -> None:
    if before is not None:
        job.tls.key.touch()
        job.tls.key.chmod(before)
    pem, text = (path.read_bytes() for path in authority.server("s", *job.cluster.hosts))
    key: Any = load_pem_private_key(text, None)
    install(job, key, pem, authority.certificate.read_bytes())
    assert job.tls.key.stat().st_mode & 0o777 == after


def test_a_certificate_beside_another_key_is_due(job: Job, tmp_path: Path) -> None:
    made = certificate(tmp_path, 365, host=job.cluster.hosts[0])
    made.rename(job.tls.certificate)
    made.with_suffix(".key").rename(job.tls.key)
    assert good_until(job) is not None
    certificate(tmp_path, 365).with_suffix(".key").rename(job.tls.key)
    assert good_until(job) is None


def test_a_certificate_of_a_month_is_good_at_its_beginning_as_no_warning_tells_of_it(job: Job, tmp_path: Path) -> None:
    made = certificate(tmp_path, 29, host=job.cluster.hosts[0])
    made.rename(job.tls.certificate)
    made.with_suffix(".key").rename(job.tls.key)
    assert good_until(job) is not None
