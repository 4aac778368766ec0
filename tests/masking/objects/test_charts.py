"""The values of ten widespread charts: what the names of variables and keys say, what they miss, and where they say too much.

The files were written for this test. `false` are finds that are no secrets, `misses` secrets that no name tells; docs/masking.md
shows both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from l7gw.masking.detectors.scanner import Scanners
from l7gw.masking.detectors.table import BUILT_IN
from tests.support.masked import mask

ROOT = Path(__file__).parent.parent.parent.parent
CHARTS = sorted((ROOT / "tests/vectors/masking/charts").glob("*.yaml"))
MOST_FALSE = 3  # of all charts together


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def found_in(chart: dict[str, Any]) -> list[str]:
    env = [{"name": name, "value": value} for name, value in chart["env"].items()]
    pod = mask("GET /api/v1/namespaces/shop/pods/a", {"kind": "Pod", "spec": {"containers": [{"name": "a", "env": env}]}})
    config = mask("GET /api/v1/namespaces/shop/configmaps/a", {"kind": "ConfigMap", "data": chart["config"]})
    masked = [env[int(find.where.split("env[")[1].split("]")[0])]["name"] for find in pod.finds]
    return masked + [find.where.removeprefix("data.").strip('"') for find in config.finds]


@pytest.mark.parametrize("path", CHARTS, ids=lambda path: path.stem)
def test_what_names_say_is_masked_and_nothing_else(path: Path) -> None:
    chart = read(path)
    assert found_in(chart) == chart["finds"]
    for name in chart.get("misses", {}):
        assert name in {**chart["env"], **chart["config"]} and name not in chart["finds"]
    assert set(chart.get("false", {})) <= set(chart["finds"])


def test_there_are_ten_charts_and_few_false_finds() -> None:
    charts = [read(path) for path in CHARTS]
    assert len(charts) == 10
    assert sum(len(chart.get("false", {})) for chart in charts) <= MOST_FALSE


def test_no_detector_takes_another_value_of_a_chart_for_a_secret() -> None:
    scanner = Scanners(BUILT_IN).default
    for path in CHARTS:
        chart = read(path)
        for name, value in {**chart["env"], **chart["config"]}.items():
            if name not in chart["finds"]:
                assert scanner.scan(value.encode()) == [], (path.stem, name)


def test_the_page_shows_the_finds() -> None:
    page = (ROOT / "docs/masking.md").read_text()
    for path in CHARTS:
        chart = read(path)
        assert f"| {path.stem} |" in page
        for name in [*chart.get("false", {}), *chart.get("misses", {})]:
            assert f"`{name}`" in page, name
