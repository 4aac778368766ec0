"""A watch that the gateway itself ends tells its client why, behind whole events, whichever way its bytes come."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator

import pytest

from tests.gateway.test_masked_answers import GOOD, SECRETS, WATCH, gzip_read
from tests.support.raw_client import RawClient
from tests.support.scene import Scene, scene
from tests.support.scripted_upstream import Visit

POLICY = """
rules:
  - {name: a moment, users: ["short*"], effects: ["*"], max-duration: 1s, verdict: allow}
  - {name: all, effects: ["*"], verdict: allow}
"""
DENIES = POLICY.replace('"*"], verdict: allow', '"*"], verdict: deny')
HALF = GOOD[:40]


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("ends"), policy=POLICY) as running:
        yield running


@pytest.mark.parametrize("packed", [False, True])
def test_a_watch_whose_time_is_over_ends_with_an_error_event_behind_the_last_whole_one(it: Scene, packed: bool) -> None:
    stream = zlib.compressobj(wbits=31)

    def watch(visit: Visit) -> None:
        visit.head()
        data = GOOD + HALF
        data = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH) if packed else data
        head = WATCH + b"application/json\r\n" + (b"Content-Encoding: gzip\r\n" if packed else b"") + b"\r\n"
        visit.send(head + b"%x\r\n%s\r\n" % (len(data), data))
        visit.drain(20)

    it.upstream.script = watch
    with RawClient(it.gateway) as client:
        token = it.issuer.token("short-1", ["engineers"])
        gzip = ["Accept-Encoding: gzip"] if packed else []
        client.send(it.request(f"GET {SECRETS}?watch=1", *gzip, token=token))
        status, _, body = client.answer()
    good, last = (gzip_read(body) if packed else body).splitlines(keepends=True)
    event = json.loads(last)
    assert (status, good) == (200, GOOD)
    assert (event["type"], event["object"]["kind"], event["object"]["code"]) == ("ERROR", "Status", 503)
    assert event["object"]["message"] == "l7gw: this stream has run for 1s, as long as it may; run the command again"


def test_a_watch_that_the_policy_denies_now_is_told_so(it: Scene) -> None:
    def watch(visit: Visit) -> None:
        visit.head()
        visit.send(WATCH + b"application/json\r\n\r\n%x\r\n%s\r\n" % (len(GOOD), GOOD))
        it.gateway.policy.write_text(DENIES)
        visit.drain(20)

    it.upstream.script = watch
    try:
        with RawClient(it.gateway) as client:
            client.send(it.request(f"GET {SECRETS}?watch=1"))
            _, _, body = client.answer()
    finally:
        it.gateway.policy.write_text(POLICY)
    good, last = body.splitlines(keepends=True)
    assert good == GOOD and "l7gw: this stream is no longer allowed: denied by rule 'all'" in json.loads(last)["object"]["message"]
