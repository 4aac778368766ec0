"""Label selectors fit as the API server has it."""

from __future__ import annotations

from typing import Any

import pytest

from l7gw.kube.selectors import selects

LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}, {"key": "none", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Later"}]}, False),
        ({"matchLabels": None, "matchExpressions": None}, True),
        ({"matchLabels": []}, True),
        ({"matchLabels": ["app"]}, False),
        ({"matchExpressions": ["app"]}, False),
    ],
)
def test_a_selector_fits_labels(selector: dict[str, Any], fits: bool) -> None:
    assert selects(selector, LABELS) is fits
