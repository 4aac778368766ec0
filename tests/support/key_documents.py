"""Whole files of which one key of the reference says something, made of the table's own examples; and the files that these name."""

from __future__ import annotations

from pathlib import Path

from l7gw.config.keys.file import FILE_KEYS
from l7gw.config.load import load
from l7gw.config.reference import mappings_of
from l7gw.config.shapes import Key, Listed, Mapping
from l7gw.demo.pki import Authority, write_private
from l7gw.errors import ConfigurationError, Problem
from l7gw.masking.configured import configured
from l7gw.policy.judge import Policy
from l7gw.policy.keys.file import POLICY
from l7gw.policy.load import load as load_policy

CHOSEN = {"NAME": "prod", "ID": "U0123456789", "USER": "lea@example.com"}  # names that a user may choose
PEOPLE = "{groups: [sre]}"
# What a mapping at this path must have beside its table's required keys
ALSO = {"grants": {"reviewers": PEOPLE}, "tests.as": {"groups": "[engineers]"}}
_BY_PATH = {id(root): dict(mappings_of(root)) for root in (FILE_KEYS, POLICY)}
AT_EKS = "{name: prod, region: eu-west-1}"


def folder_of_files(folder: Path) -> Path:
    """Every file that an example names, in this folder."""
    authority = Authority(folder)
    for stem in ("server", "prod"):
        authority.server(stem, "localhost")
    authority.client("gw", "gateway")
    for name in ("idp", "people", "prod", "sts", "eks", "slack", "hooks", "db"):
        (folder / f"{name}-ca.crt").write_bytes(authority.certificate.read_bytes())
    for name in ("gw.token", "slack.token", "slack.secret", "hook.secret"):
        write_private(folder / name, b"a-secret-of-some-length-that-is-none\n")
    (folder / "hooks").mkdir(mode=0o700)
    (folder / "hooks" / "acme_hooks.py").write_text("class Acme:\n    pass\n")
    (folder / "state").mkdir(mode=0o700)
    (folder / "web.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: dev}\nspec: {containers: []}\n")
    (folder / "policy.yaml").write_text("rules: []\n")
    return folder


def whole(root: Mapping, path: str, value: str = "", drop: str = "", more: str = "") -> str:
    """A file in YAML in which the key of this path has the value, or its example; the other keys are those that must be beside it, with
    their examples. Without the key `drop` of the key's own mapping, and with the text `more` in it."""
    at = _mappings(root)
    before, _, name = path.rpartition(".")
    mapping = at[before]
    key = mapping.key(name)
    assert key is not None, path
    text = _with(mapping, before, key, value or key.example, drop, more)
    return text if not before else whole(root, _owner(root, before), _wrapped(root, before, text))


def _mappings(root: Mapping) -> dict[str, Mapping]:
    return _BY_PATH[id(root)]


def _owner(root: Mapping, path: str) -> str:
    """The key in whose value the mapping of this path stands."""
    parts = path.split(".")
    while parts[-1].isupper():
        parts.pop()
    return ".".join(parts)


def _wrapped(root: Mapping, path: str, text: str) -> str:
    """The mapping's text as its key's value: in a list, or under a name."""
    owner = _owner(root, path)
    for word in reversed(path.removeprefix(owner).split(".")):
        text = f"{{{CHOSEN[word]}: {text}}}" if word else text
    before, _, name = owner.rpartition(".")
    key = _mappings(root)[before].key(name)
    assert key is not None
    return f"[{text}]" if isinstance(key.shape, Listed) else text


def _with(mapping: Mapping, path: str, key: Key, value: str, drop: str, more: str) -> str:
    said = {key.name: value, **dict(key.needs)}
    if path == "clusters.NAME" and value.startswith("{aws:"):
        said["eks"] = AT_EKS
    names = {one.name for one in mapping.keys if one.required} | set(key.beside)
    also = ALSO.get(path, {})
    chosen = set(said) | names
    if mapping.one_of and not any(chosen.issuperset(alternative) for alternative in mapping.one_of):
        fits = [one for one in mapping.one_of if not chosen.isdisjoint(one)] or [
            one for one in mapping.one_of if not set(one) & set(key.without)
        ]
        names |= set(fits[0])
    if mapping.some_of and chosen.isdisjoint(mapping.some_of):
        names.add(mapping.some_of[0])
    texts = {one.name: also.get(one.name, one.example) for one in mapping.keys if one.name in names or one.name in also}
    texts |= said
    if not drop:
        texts = {name: text for name, text in texts.items() if name not in key.without}
    texts.pop(drop, None)
    return "{" + ", ".join((*(f"{name}: {text}" for name, text in texts.items()), *filter(None, (more,)))) + "}"


def loaded(root: Mapping, folder: Path, text: str) -> object:
    """What the file's own reader makes of a text. Raises ConfigurationError."""
    if root is POLICY:
        path = folder / "read.yaml"
        path.write_text(text)
        Policy.load(path)  # its tests are run too
        return load_policy(path)
    path = folder / "l7gw.yaml"
    path.write_text(text)
    settings = load(path)
    if "masking" in text:
        configured(settings.masking, path)
    return settings


def refusal(root: Mapping, folder: Path, text: str) -> Problem | None:
    """The first mistake that the reader finds in a text, as of a file in /etc/l7gw; None where it takes the text."""
    try:
        loaded(root, folder, text)
    except ConfigurationError as error:
        first = error.problems[0]
        return Problem(
            *(
                part.replace(str(folder), "/etc/l7gw") if isinstance(part, str) else part
                for part in (first.file, first.line, first.what, first.hint)
            )
        )
    return None
