"""`log` and `warnings` in l7gw.yaml."""

from __future__ import annotations

import pytest

from l7gw.config.settings import Log
from tests.support.written_configuration import Written


def test_without_the_keys_every_call_is_logged_and_warnings_are_given(written: Written) -> None:
    it = written.load()
    assert (it.log, it.warnings) == (Log("on", "auto", "info"), "all")


@pytest.mark.parametrize(
    ("text", "access"),
    [
        *[(text, "on") for text in ("on", "'on'", "true", "'true'", "On")],
        *[(text, "off") for text in ("off", '"off"', "false", '"false"', "OFF")],
        *[(text, "errors") for text in ("errors", "'errors'")],
    ],
)
def test_access_is_a_switch_in_every_spelling_or_errors(written: Written, text: str, access: str) -> None:
    assert written.load(f"log: {{access: {text}}}\n").log.access == access


def test_the_other_keys_are_taken(written: Written) -> None:
    written.top |= {"log": {"format": "json", "level": "warning"}, "warnings": "refusals"}
    it = written.load()
    assert (it.log, it.warnings) == (Log("on", "json", "warning"), "refusals")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"log": {"access": "sometimes"}}, "`access` must be on, off or errors"),
        ({"log": {"access": 1}}, "`access` must be on, off or errors"),
        ({"log": {"access": ["on"]}}, "`access` must be on, off or errors"),
        ({"log": {"format": "jsno"}}, "`format` must be auto, text or json"),
        ({"log": {"level": "verbose"}}, "`level` must be debug, info, warning or error"),
        ({"log": {"acces": "on"}}, "acces"),
        ({"warnings": "none"}, "`warnings` must be all or refusals"),
    ],
)
def test_a_mistake_is_told(written: Written, keys: dict[str, object], said: str) -> None:
    written.top |= keys
    assert said in written.problems()[0]
