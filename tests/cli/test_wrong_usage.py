"""A word or an option that is wrong is answered with what to type."""

from __future__ import annotations

import sys

import pytest

from l7gw.cli.main import main


def answered(words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["l7gw", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("logs web-0", "l7gw policy explain --user U -- kubectl logs web-0"),
        ("get pods -n dev", "by a kubeconfig of l7gw kubeconfig: kubectl get pods -n dev; "),
        ("drain node-1", "that is a command of kubectl, which goes through the gateway"),
        ("list", "hint: l7gw clusters list, l7gw sessions list, l7gw holds list, l7gw grants list\n"),
        ("kill 01a2", "hint: l7gw sessions kill\n"),
        ("explain", "hint: l7gw policy explain\n"),
        ("search rm", "hint: l7gw grep\n"),
        ("backup", "hint: l7gw help operations\n"),
    ],
)
def test_a_command_that_is_not_there_is_answered_with_the_one_that_does_it(
    words: str, hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = answered(words, monkeypatch, capsys)
    assert f"No such command '{words.split()[0]}'.\n  hint: " in said and hint in said
    assert "id you mean" not in said, "logs is not login"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("kubeconfig prod", "--address HOST:PORT: "),
        ("policy explain get pods", "--user U: "),
        ("kubeconfig", "l7gw clusters list shows them"),
        ("rbac render", "l7gw clusters list shows them"),
        ("sessions show", "l7gw sessions list shows ids"),
        ("replay", "l7gw sessions list shows ids"),
        ("sessions kill", "l7gw sessions list shows ids"),
        ("holds show", "l7gw holds list shows ids"),
        ("grants approve", "l7gw grants list shows ids"),
        ("serve ./l7gw.yaml", "--config ./l7gw.yaml\n"),
        ("check l7gw.yml", "--config l7gw.yml\n"),
    ],
)
def test_what_is_missing_or_too_much_is_answered_with_what_to_type(
    words: str, hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = answered(words, monkeypatch, capsys)
    assert "\n  hint: " in said and hint in said


@pytest.mark.parametrize("words", ["check nope", "sessions lst", "--nope", "completion", "export 01a2", "version x"])
def test_no_hint_stands_where_nothing_better_is_known(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "hint" not in answered(words, monkeypatch, capsys)
