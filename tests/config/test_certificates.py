"""Which certificates of a configuration end soon, and what is said of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from l7gw.config.certificates import WARN_BEFORE, all_ending, ending, life
from tests.support.ending import certificate
from tests.support.written_configuration import Written


@pytest.mark.parametrize(
    ("days", "left", "said"),
    [
        (365, 31, ""),
        (365, 29, "in 29 days"),
        (365, 1, "within two days"),
        (365, -1, "ended on"),
        (90, 31, ""),
        (90, 29, "in 29 days"),
        (30, 11, ""),
        (30, 9, "in 9 days"),  # a month's certificate is not told of from its first day on
    ],
)
def test_a_certificate_is_told_of_30_days_before_its_end_or_in_the_last_third_of_a_short_life(
    tmp_path: Path, days: float, left: float, said: str
) -> None:
    path = certificate(tmp_path, days)
    now = life(path)[1] - timedelta(days=left, minutes=1)
    assert said in ending(path, now) and bool(ending(path, now)) == bool(said)


def test_a_file_that_holds_no_certificate_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    now = life(certificate(tmp_path, 1))[0]
    assert ending(tmp_path / "x", now) == ending(tmp_path / "none", now) == ""


def test_each_certificate_that_the_gateway_shows_is_told_of_with_what_to_do(tmp_path: Path) -> None:
    written = Written(tmp_path)
    pair = {"certificate": "server.crt", "key": "server.key"}
    written.prod |= {"hosts": ["prod.example.com"], "tls": pair}
    settings = written.load()
    ends = min(life(tmp_path / name)[1] for name in ("server.crt", "gw.crt"))
    assert list(all_ending(settings, ends - WARN_BEFORE * 2)) == []
    of_prod, by_cluster, of_gateway = all_ending(settings, ends + timedelta(days=1))
    assert of_prod.startswith("cluster prod: the certificate") and "l7gw clusters certificate prod" in of_prod
    assert "gw.crt" in by_cluster and "by which the cluster knows the gateway" in by_cluster
    assert "server.crt" in of_gateway and "which clients are shown" in of_gateway
