"""The detectors find nothing where nothing is: at most one false find in 10 MB of text without a secret (docs/masking.md)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from l7gw.masking.detectors.long_scan import LongScan
from l7gw.masking.detectors.scanner import Scanners
from l7gw.masking.detectors.table import BUILT_IN
from tests.support import ordinary_text
from tests.support.kubernetes.build import Built
from tests.support.kubernetes.cluster import RealCluster
from tests.support.ordinary_text import Text

MOST = 1 / 10_000_000  # false finds for a byte
PIECE = 64 * 1024
ENOUGH = 10_000_000  # bytes that must have been looked through


def _false_finds(texts: Iterable[Text]) -> tuple[list[str], dict[str, int]]:
    """What was found, with where it stands, and the size of each text."""
    scanner = Scanners(BUILT_IN).default
    found, sizes = [], {}
    for name, text in texts:
        scan = LongScan(scanner)
        pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
        spans = [span for piece in pieces for span in scan.feed(piece)] + scan.end()
        found += [f"{name}: {one.detector}: {text[max(0, one.start - 60) : one.end + 20]!r}" for one in spans]
        sizes[name] = len(text)
    return found, sizes


def test_programs_and_openapi_have_no_false_find(tmp_path: Path, cluster: RealCluster) -> None:
    texts = [*ordinary_text.programs(tmp_path, 300_000, all_of_them=False), *ordinary_text.openapi(cluster)]
    found, _ = _false_finds(texts)
    assert found == []


@pytest.mark.long
def test_at_most_one_find_in_ten_megabytes_is_false(tmp_path: Path, cluster_programs: Built) -> None:
    with RealCluster.start(tmp_path / "cluster", cluster_programs) as own:  # in the shared one other tests leave secrets
        texts = [
            *ordinary_text.programs(tmp_path, 3_000_000, all_of_them=True),
            *ordinary_text.openapi(own),
            *ordinary_text.answers(own),
            *ordinary_text.logs(own),
        ]
    found, sizes = _false_finds(texts)
    assert sum(sizes.values()) >= ENOUGH
    print(
        f"{sum(sizes.values()):,} bytes, {len(found)} false finds; the ten longest: {sorted(sizes.items(), key=lambda one: -one[1])[:10]}"
    )
    assert len(found) <= sum(sizes.values()) * MOST, "\n".join(found)
