"""Which kind of connection a call goes up over."""

from __future__ import annotations

import pytest

from l7gw.cluster.upstream import ADAPTIVE, FRESH, KEPT, SHARED, kind_for
from l7gw.kube.requestinfo import describe
from l7gw.wire.events import Request

PODS = "/api/v1/namespaces/shop/pods"


@pytest.mark.parametrize(
    ("method", "target", "upgrade", "kind"),
    [
        ("GET", PODS, "", ADAPTIVE),
        ("HEAD", PODS, "", ADAPTIVE),
        ("POST", PODS, "", KEPT),  # a stream that is refused could not send its body again
        ("DELETE", f"{PODS}/web", "", KEPT),
        ("GET", f"{PODS}?watch=true", "", SHARED),
        ("GET", f"{PODS}/web/log?follow=true", "", SHARED),
        ("GET", f"{PODS}/web/exec?command=ls", "websocket", FRESH),
        ("POST", f"{PODS}/web/exec?command=ls", "SPDY/3.1", FRESH),
    ],
)
def test_a_call_goes_up_over_the_kind_of_connection_that_fits_it(method: str, target: str, upgrade: str, kind: str) -> None:
    assert kind_for(Request(method, target, (), upgrade=upgrade), describe(method, target)) == kind
