"""One login among all processes: renewed once however many ask, never lost, ended in words."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from l7gw.login.cache import Cache
from l7gw.login.failure import LoginFailed
from l7gw.login.https import Answer
from l7gw.login.keeper import Keeper
from l7gw.login.kept import Kept
from l7gw.login.wanted import Wanted
from tests.support.login_issuer import Person, PlayedIssuer, wanted
from tests.support.manual_clock import ManualClock


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock(float(int(time.time())))
        self.issuer = PlayedIssuer(self.clock)
        self.person = Person(self.issuer)
        self.cache = Cache(make=True)

    def keeper(self, asks: Wanted | None = None, **world: Any) -> Keeper:
        return Keeper(asks or wanted(), self.cache, self.issuer.ask, self.person.world(**world))

    def login(self, *, may_ask: bool = True, asks: Wanted | None = None) -> Kept:
        return self.keeper(asks).login(may_ask=may_ask)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    running = Scene()
    yield running
    running.cache.close()


def test_a_login_is_asked_for_once_renewed_when_its_time_comes_and_asked_for_when_it_has_ended(scene: Scene) -> None:
    first = scene.login()
    assert scene.login(may_ask=False).id_token == first.id_token and scene.issuer.counted("/token") == 1
    scene.clock.advance(3540)
    renewed = scene.login(may_ask=False)
    assert renewed.id_token != first.id_token and scene.issuer.counted("/token") == 2 and len(scene.person.pages) == 1
    kept = scene.cache.read(wanted())
    assert kept is not None and (kept.refresh_token, kept.id_token) == (scene.issuer.given[-1], renewed.id_token)
    scene.clock.advance(3600)
    scene.issuer.given.append("rotated elsewhere")
    assert scene.login().refresh_token == scene.issuer.given[-1] and len(scene.person.pages) == 2
    assert scene.person.words[-2:][0] == "the login has ended at the issuer; log in again"


def test_without_a_terminal_nobody_is_asked_and_the_words_say_what_to_type(scene: Scene) -> None:
    with pytest.raises(LoginFailed, match="nobody is logged in, and there is no terminal") as failed:
        scene.login(may_ask=False)
    command = "l7gw login --issuer https://idp.example.com --client-id kubectl --gateway gw.example.com:8443"
    assert str(failed.value).endswith(f"hint: run at a terminal: {command}")
    assert not scene.person.pages and not scene.issuer.asked
    scene.login()
    scene.clock.advance(3600)
    scene.issuer.given.append("rotated elsewhere")
    with pytest.raises(LoginFailed, match="the login has ended at the issuer, and there is no terminal"):
        scene.login(may_ask=False)


def test_a_refresh_token_that_the_issuer_takes_no_more_is_tried_once(scene: Scene) -> None:
    first = scene.login()
    scene.clock.advance(3600)
    scene.issuer.given.append("rotated elsewhere")
    words = ["the login has ended at the issuer, and there is no terminal", "the login has ended, and there is no terminal"]
    for said in words:
        with pytest.raises(LoginFailed, match=said) as failed:
            scene.login(may_ask=False)
        assert "run at a terminal: l7gw login" in str(failed.value)
    assert scene.issuer.counted("/token") == 2  # the login, and one renewal that was refused
    kept = scene.cache.read(wanted())
    assert kept is not None and (kept.refresh_token, kept.id_token) == ("", first.id_token)
    assert not list(Path(scene.cache.path).glob("*.new"))
    assert scene.login().refresh_token == scene.issuer.given[-1]
    assert "the login has ended; log in again" in scene.person.words


def test_another_refresh_token_that_came_meanwhile_is_kept(scene: Scene) -> None:
    kept = scene.login()
    scene.clock.advance(3600)

    async def ask(url: str, form: dict[str, str] | None = None) -> Answer:
        if form:  # a home folder of the network, whose other machine sees no lock of this one
            kept.refresh_token = "of another machine"
            scene.cache.write(wanted(), kept)
            return scene.issuer.answer({"error": "invalid_grant"}, 400)
        return await scene.issuer.ask(url, form)

    with pytest.raises(LoginFailed, match="the login has ended at the issuer"):
        Keeper(wanted(), scene.cache, ask, scene.person.world()).login(may_ask=False)
    left = scene.cache.read(wanted())
    assert left is not None and left.refresh_token == "of another machine"


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client", "invalid_scope"])
def test_a_renewal_that_is_refused_for_another_reason_keeps_the_refresh_token(scene: Scene, error: str) -> None:
    scene.login()
    scene.clock.advance(3600)
    scene.issuer.instead["/token"] = scene.issuer.answer({"error": error}, 400)
    with pytest.raises(LoginFailed, match=error):
        scene.login(may_ask=False)
    del scene.issuer.instead["/token"]
    assert scene.login(may_ask=False).refresh_token == scene.issuer.given[-1]


def test_fifty_at_once_renew_once_and_each_has_the_new_token(scene: Scene) -> None:
    old = scene.login()
    scene.clock.advance(3600)
    found: list[str] = []
    together = threading.Barrier(50)

    def one() -> None:
        together.wait()
        found.append(scene.login(may_ask=False).id_token)

    threads = [threading.Thread(target=one) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scene.issuer.counted("/token") == 2 and len(found) == 50 and len(set(found)) == 1 and found[0] != old.id_token


@pytest.mark.parametrize("still_good", [True, False])
def test_many_at_once_whose_issuer_is_away_ask_it_once_and_all_are_answered(scene: Scene, still_good: bool) -> None:
    token = scene.login().id_token
    scene.clock.advance(3599 if still_good else 3600)
    answered: list[str] = []
    waiting = threading.Barrier(8)

    async def ask(url: str, form: dict[str, str] | None = None) -> Answer:
        await asyncio.to_thread(waiting.wait)  # until all others wait for this one
        raise LoginFailed("the issuer is away", "come back", passing=True)

    def one() -> None:
        try:
            answered.append(
                Keeper(wanted(), scene.cache, ask, scene.person.world(say=lambda _: waiting.wait())).login(may_ask=False).id_token
            )
        except LoginFailed as failure:
            answered.append(str(failure))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answered == [token if still_good else "the issuer is away\n  hint: come back"] * 8


def test_a_failure_of_before_is_told_to_nobody_who_comes_later(scene: Scene) -> None:
    scene.login()
    scene.clock.advance(3600)
    scene.issuer.instead["/token"] = LoginFailed("the issuer is away", passing=True)
    with pytest.raises(LoginFailed, match="the issuer is away"):
        scene.login(may_ask=False)
    del scene.issuer.instead["/token"]
    assert scene.login(may_ask=False).id_token


def test_a_rotated_refresh_token_survives_what_fails_behind_it(scene: Scene) -> None:
    scene.login()
    scene.clock.advance(3600)
    scene.issuer.instead["/keys"] = LoginFailed("the keys are away", passing=True)
    with pytest.raises(LoginFailed, match="the keys are away"):
        scene.login(may_ask=False)
    kept = scene.cache.read(wanted())
    assert kept is not None and kept.refresh_token == scene.issuer.given[-1] and len(scene.issuer.given) == 2
    del scene.issuer.instead["/keys"]
    assert scene.login(may_ask=False).refresh_token == scene.issuer.given[-1]


def test_an_issuer_that_is_not_reached_leaves_the_token_good_until_its_end(scene: Scene) -> None:
    first = scene.login()
    scene.issuer.instead["/token"] = LoginFailed("the issuer is away", passing=True)
    scene.clock.advance(3599)
    assert scene.login(may_ask=False).id_token == first.id_token
    scene.clock.advance(1)
    with pytest.raises(LoginFailed, match="the issuer is away"):
        scene.login()
    assert len(scene.person.pages) == 1
    del scene.issuer.instead["/token"]
    assert scene.login(may_ask=False).id_token != first.id_token


def test_a_login_without_a_refresh_token_is_asked_for_again_at_its_end(scene: Scene) -> None:
    kept = scene.login()
    kept.refresh_token = ""
    scene.cache.write(wanted(), kept)
    scene.clock.advance(3600)
    with pytest.raises(LoginFailed, match="the login has ended, and"):
        scene.login(may_ask=False)
    scene.login()
    assert len(scene.person.pages) == 2


def test_two_kubeconfigs_with_other_scopes_do_not_take_turns(scene: Scene) -> None:
    groups = wanted(scopes=["openid", "groups"])
    scene.login()
    with pytest.raises(LoginFailed, match="less than is wanted now"):
        scene.login(may_ask=False, asks=groups)
    scene.login(asks=groups)
    token = scene.login(may_ask=False).id_token
    assert scene.login(may_ask=False, asks=groups).id_token == token and len(scene.person.pages) == 2
    scene.clock.advance(3600)
    assert scene.login(may_ask=False).id_token == scene.login(may_ask=False, asks=groups).id_token


def test_another_kind_of_token_is_had_by_the_same_login(scene: Scene) -> None:
    scene.login()
    of_access = scene.login(may_ask=False, asks=wanted(token="access"))
    assert of_access.access_token and len(scene.person.pages) == 1
    assert scene.login(may_ask=False).id_token == of_access.id_token and scene.issuer.counted("/token") == 2


def test_gateways_have_logins_of_their_own(scene: Scene) -> None:
    scene.login()
    with pytest.raises(LoginFailed, match="nobody is logged in"):
        scene.login(may_ask=False, asks=wanted(gateway="other:8443"))


def test_who_cannot_ask_does_not_wait_for_somebody_before_a_browser(scene: Scene) -> None:
    with scene.cache.locked(wanted(), 1), pytest.raises(LoginFailed, match="another l7gw login has been at it"):
        scene.keeper(renewal_within=0.0).login(may_ask=False)
    assert scene.person.words == ["another l7gw login is under way for this issuer; waiting for it"]


def test_a_logout_revokes_and_forgets(scene: Scene) -> None:
    assert scene.keeper().logout() is None
    kept = scene.login()
    assert scene.keeper().logout() == ""
    assert [form["token"] for path, form in scene.issuer.asked if path == "/revoke"] == [kept.refresh_token]
    assert scene.cache.read(wanted()) is None and scene.keeper().logout() is None


def test_a_logout_forgets_where_the_issuer_is_not_reached(scene: Scene) -> None:
    scene.login()
    scene.issuer.instead["/revoke"] = LoginFailed("the issuer is away", passing=True)
    assert scene.keeper().logout() == "the issuer is away"
    assert scene.cache.read(wanted()) is None


def _full(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_before_anybody_is_asked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", _full)
    with pytest.raises(LoginFailed, match="No space left on device"):
        scene.login()
    assert not scene.person.pages and not scene.issuer.asked


def test_a_full_disk_leaves_the_token_good_until_its_end_and_then_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scene.login()
    monkeypatch.setattr(os, "pwrite", _full)
    scene.clock.advance(3590)
    assert scene.login(may_ask=False).id_token == first.id_token and scene.issuer.counted("/token") == 1
    scene.clock.advance(10)
    with pytest.raises(LoginFailed, match=r"cannot be used: No space left on device\n  hint: set XDG_CACHE_HOME"):
        scene.login(may_ask=False)


def test_a_login_that_fails_leaves_no_draft(scene: Scene) -> None:
    scene.issuer.instead["/token"] = LoginFailed("the issuer is away", passing=True)
    with pytest.raises(LoginFailed, match="away"):
        scene.login()
    assert [path.suffix for path in Path(scene.cache.path).iterdir()] == [".lock"]
