"""docs/operations.md: what can be typed without root's rights and systemd is typed as it stands, in a folder that stands for the
machine's root; and the log has the messages that it says to alarm on."""

from __future__ import annotations

import base64
import os
import re
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from l7gw.cli.init.files import write
from l7gw.recording import reader
from l7gw.recording.recorder import Recorder
from tests.support.cited_sources import DOCS, ROOT
from tests.support.init_wanted import settled, wanted
from tests.support.journals import ANN, call, recorded
from tests.support.kubernetes.build import Built

PAGE = DOCS / "operations.md"


def block_of(heading: str, number: int = 0) -> str:
    """A block of `sh` below a heading of the page."""
    section = PAGE.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found: str = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[number]
    return found


class Machine:
    """A folder in the place of the machine's root, with a state of two segments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = ""  # folders before the usual ones on the PATH, each with a colon
        self.state = folder / "var" / "lib" / "l7gw"
        self.state.parent.mkdir(parents=True)
        (folder / "etc" / "l7gw").mkdir(parents=True)
        for cluster in ("prod", "stage"):

            def fill(recorder: Recorder, cluster: str = cluster) -> None:
                call(recorder.session(ANN, cluster), "/api/v1/pods").end("complete")

            recorded(self.state, fill)
        (self.state / "keys").mkdir()
        (self.state / "gateway-id").write_text("id")

    def typed(self, block: str) -> tuple[int, str]:
        """The exit status of a block, and what it printed."""
        for place in ("/var/lib/l7gw", "/srv/", "/etc/l7gw", "/root/"):
            block = block.replace(place, f"{self.folder}{place}")
        environment = {
            "PATH": f"{self.programs}{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
        }
        command = ["bash", "-euo", "pipefail", "-c", block]
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_backup_has_the_recordings_the_keys_and_the_database_and_is_intact(machine: Machine) -> None:
    for again in (False, True):
        if again:
            with sqlite3.connect(machine.state / "metadata.sqlite") as database:
                database.execute("CREATE TABLE holds (id TEXT)")
        status, said = machine.typed(block_of("Backup"))
        assert status == 0 and "2 sessions" in said and "intact; " in said, said
        saved = machine.folder / "srv" / "l7gw-backup"
        assert {path.name for path in saved.iterdir()} >= {"l7gw", "journal", "keys", "gateway-id"}
        assert (saved / "metadata.sqlite").exists() is again and (machine.state / "metadata.sqlite").exists() is again


def test_a_new_agent_gets_a_kubeconfig_with_a_certificate_of_the_agents_authority(
    machine: Machine, cluster_programs: Built
) -> None:
    machine.programs = f"{cluster_programs.folder}:"
    folder, authorities = machine.folder / "etc" / "l7gw", machine.folder / "root" / "l7gw-authorities"
    folder.rmdir()
    write(replace(wanted(machine.folder), folder=folder))
    settled(folder)
    install = block_of("Install as a service", 2).splitlines()
    assert machine.typed("\n".join(line for line in install if "authorities" in line))[0] == 0
    block = block_of("Day to day").replace("kubeconfig prod", "kubeconfig prod --config /etc/l7gw/l7gw.yaml")
    status, said = machine.typed(block)
    assert status == 0, said
    [user] = yaml.safe_load((authorities / "second.kubeconfig").read_text())["users"]
    shown = x509.load_pem_x509_certificate(base64.b64decode(user["user"]["client-certificate-data"]))
    shown.verify_directly_issued_by(x509.load_pem_x509_certificate((folder / "certs" / "agents-ca.crt").read_bytes()))
    assert shown.subject.rfc4514_string() == "CN=second,O=agents" and user["user"]["client-key-data"]
    assert not (authorities / "second.key").exists()
    subprocess.run(
        [ROOT / "certs" / "development-ca.sh", authorities, "gw.example.com"], check=True, capture_output=True, timeout=60
    )
    renewed = x509.load_pem_x509_certificate((authorities / "server.crt").read_bytes())
    renewed.verify_directly_issued_by(x509.load_pem_x509_certificate((folder / "certs" / "ca.crt").read_bytes()))


def test_old_segments_are_moved_the_newest_stays_and_both_places_are_one_journal(machine: Machine) -> None:
    first, last = reader.segments(machine.state)
    for path in (first, last):
        os.utime(path, (0, 0))
    block = block_of("Retention by hand").replace("verify --archive", "verify --state /var/lib/l7gw --archive")
    status, said = machine.typed(block)
    assert status == 0 and "2 sessions" in said and "intact; " in said, said
    assert [path.name for path in reader.segments(machine.state)] == [last.name]
    assert [path.name for path in reader.segments(machine.folder / "srv" / "l7gw-archive")] == [first.name]


def test_what_auditors_are_given_is_readable_by_their_group_and_they_use_every_reading_command(machine: Machine) -> None:
    copy = block_of("Auditors without root or keys").replace("groupadd --force auditors", "").replace(" -g auditors", "")
    for _ in range(2):  # again: what was copied is copied over
        assert machine.typed(copy)[0] == 0
    for path in reader.segments(machine.folder / "srv" / "l7gw-audit"):
        assert path.stat().st_mode & 0o777 == 0o640
    listing, search, check = block_of("Auditors without root or keys", 1).splitlines()
    assert machine.typed(listing.replace(" --denied", ""))[0] == 0
    assert machine.typed(search)[0] == 1  # nothing of it was recorded
    assert machine.typed(search.replace("DELETE .*/secrets/", "GET .*/p.ds$"))[0] == 0
    status, said = machine.typed(check)
    assert status == 0 and "intact; " in said, said


def test_the_messages_to_alarm_on_are_those_of_the_log() -> None:
    section = PAGE.read_text().split("## What to alarm on", 1)[1].split("\n## ", 1)[0]
    messages = [text for line in re.findall(r"^\| (.*?) \|", section, re.MULTILINE)[1:] for text in re.findall(r"`([^`]+)`", line)]
    written = "\n".join(path.read_text() for path in (ROOT / "l7gw").rglob("*.py"))
    assert len(messages) >= 10
    assert [text for text in messages if text not in written] == []
