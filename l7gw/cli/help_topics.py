"""What `l7gw help` knows: pages for people who run or use the gateway, and files to be copied."""

from __future__ import annotations

from l7gw.cli import shipped

PAGES = {  # the page's name in `docs/`, and what it is for
    "first-hour": "when it does not work: each likely mistake, what is seen, what to do",
    "operations": "install it as a service, upgrade, back up, alarms, a full disk, capacity",
    "configuration": "every key of l7gw.yaml, with its default",
    "policy": "every key of the policy, the effects, how a rule matches, ten recipes",
    "masking": "what is masked and what is not, how to add to it, how masked values come back",
    "approvals": "calls that wait for a human: who may approve, and what an approval allows",
    "sessions": "who did what: lists of sessions, what was in one, their JSON",
    "recordings": "finding things in recordings: replay, grep, export, and what is whole",
    "log": "a line for each call: its fields, and what to make of them",
    "eks": "a cluster of EKS from nothing to a first call, and who goes round the gateway",
    "login": "`l7gw login`, for people without a token source",
    "slack-and-webhook": "reviewers who are told in Slack or by a webhook, and answer there",
    "api": "holds, grants and running calls as JSON, for programs",
    "hooks": "your own Python beside the rules and detectors",
    "compatibility": "each client, and each difference from the bare API server",
    "recording-format": "the journal's bytes, enough to write a reader",
    "performance": "what was measured, beside what peers do in the same run",
    "threats": "what can be done to a gateway, what this one does about it, and the tests",
    "architecture": "the house, the life of a call, why each dependency is there",
}
FOR_BUILDERS = ("conformance", "kubernetes-wire")  # pages for who works on l7gw; they are shipped, since others lead there
WORDS = ("#", '"""')  # by which a file begins that says what it is
WIDEST = 60  # characters that a file says of itself in the list


def topics() -> dict[str, str]:
    """Each page that this l7gw has, with a line about it."""
    return topics_of(shipped.pages())


def topics_of(there: dict[str, str]) -> dict[str, str]:
    """The same of these pages, by name: the title, where nothing better is written above."""
    others = {name: _first(text) for name, text in there.items() if name not in PAGES and name not in FOR_BUILDERS}
    return {name: line for name, line in PAGES.items() if name in there} | others


def files() -> dict[str, str]:
    """Each file that this l7gw has, with the first line of words in it; of one that begins with none what its name says."""
    found = {name: path.read_text(encoding="utf-8", errors="replace").lstrip() for name, path in shipped.files().items()}
    return {
        name: _first(text) if text.startswith(WORDS) else f"the {name.rpartition('/')[2]} of this example"
        for name, text in found.items()
    }


def _first(text: str) -> str:
    """The first line of words, without the marks of a comment or a docstring, and clipped."""
    lines = (line.strip("#\"' \t") for line in text.splitlines())
    line = next((line for line in lines if line), "")
    return line if len(line) <= WIDEST else line[: WIDEST - 1].rstrip() + "…"
