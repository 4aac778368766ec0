"""What masking does for one call."""

from __future__ import annotations

from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.masking.masking import Masking
from l7gw.obligations import NO_OBLIGATIONS

MASKS = Masking(bytes(32)).of_call("prod", describe("GET", "/api/v1/secrets"), Principal("ann"), NO_OBLIGATIONS)


def test_equal_values_have_equal_tags_within_a_namespace_alone() -> None:
    assert MASKS.tagger("dev").tag(b"hunter2hunter2") == MASKS.tagger("dev").tag(b"hunter2hunter2")
    assert MASKS.tagger("dev").tag(b"hunter2hunter2") != MASKS.tagger("prod").tag(b"hunter2hunter2")
