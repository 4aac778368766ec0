"""`policy check` and `policy explain` take the file alike: alone, from a configuration, or as if the configuration named it."""

from __future__ import annotations

from pathlib import Path

import pytest

from l7gw.cli.policy.file import chosen
from l7gw.errors import ConfigurationError
from tests.cli.test_check import run
from tests.support.written_configuration import Written


@pytest.fixture
def written(tmp_path: Path) -> Written:
    it = Written(tmp_path)
    it.load()
    (tmp_path / "new.yaml").write_text("rules:\n- {name: r, clusters: [nowhere], effects: [read], verdict: allow}\n")
    return it


def test_a_file_alone_knows_no_clusters_and_beside_a_configuration_it_does(written: Written) -> None:
    new = written.folder / "new.yaml"
    assert chosen(new, None).settings is None and chosen(new, None).detectors is None and chosen(new, None).path == new
    beside = chosen(new, written.path)
    assert beside.path == new and beside.settings is not None and set(beside.settings.clusters) == {"prod"}
    alone = chosen(None, written.path)
    assert alone.path == written.folder / "policy.yaml" and alone.detectors
    with pytest.raises(ConfigurationError):
        chosen(None, written.folder / "none.yaml")


def test_both_commands_take_policy_config_and_both(
    written: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new = written.folder / "new.yaml"
    for file in ((), ("--policy", new)):
        for config in ((), ("--config", written.path)):
            if not file and not config:
                continue
            assert run(monkeypatch, "policy", "check", *file, *config) == 0
            told = capsys.readouterr()
            assert ("new.yaml" in told.out) is bool(file) and ("nowhere" in told.err) is bool(file and config)
            words = ("--user", "ann", "--cluster", "prod", "get", "pods")
            assert run(monkeypatch, "policy", "explain", *file, *config, *words) == 1
            capsys.readouterr()
    assert run(monkeypatch, "policy", "check", new, "--policy", new) == 2
    assert (
        run(
            monkeypatch,
            "policy",
            "explain",
            "--policy",
            new,
            "--config",
            written.path,
            "--user",
            "a",
            "--cluster",
            "x",
            "get",
            "pods",
        )
        == 2
    )
