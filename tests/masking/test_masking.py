"""A snapshot of masking gives each call what masking does for it."""

from __future__ import annotations

import hyperscan
import pytest

from l7gw.identity.principal import Principal
from l7gw.kube.requestinfo import describe
from l7gw.masking.masking import Masking
from l7gw.masking.placeholder import Tagger
from l7gw.obligations import Obligations

KEY = bytes(range(32))


def test_a_call_has_its_cluster_its_act_its_principal_and_its_obligations() -> None:
    act, ann, shown = describe("GET", "/api/v1/namespaces/dev/secrets/db"), Principal("ann"), Obligations(reveal=frozenset("*"))
    masks = Masking(KEY).of_call("prod", act, ann, shown)
    assert (masks.cluster, masks.act, masks.principal, masks.obligations) == ("prod", act, ann, shown)
    assert masks.tagger("dev") == Tagger(KEY, "prod", "dev")


def test_what_was_warmed_compiles_nothing_at_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    masking = Masking(KEY)
    masking.warm()

    class Late:
        def __init__(self, *_: object, **__: object) -> None:
            raise AssertionError("it compiles at a call")

    monkeypatch.setattr(hyperscan, "Database", Late)
    masks = masking.of_call("prod", describe("GET", "/api/v1/namespaces/dev/events"), Principal("ann"), Obligations())
    assert masks.objects().needs_reading(b'{"message":"password=hunter2word"}')
    assert [span.detector for span in masks.scanner.scan(b"password=hunter2word")] == ["password"]
    assert masks.scanner.open_from(b"password=hunter2word") == len("password=")
