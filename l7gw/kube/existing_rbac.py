"""RBAC that is there: roles and bindings as `kubectl get -o yaml` prints them, and what they give to whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from l7gw.kube.rbac import API, Right, Rule, Subject

ROLES = ("Role", "ClusterRole")
BINDINGS = ("RoleBinding", "ClusterRoleBinding")
MOST_OBJECTS = 100_000  # of one file; a cluster with a thousand namespaces has some ten thousand
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as quick, where PyYAML has it

Place = tuple[str, str, str]  # kind, namespace and name; the namespace of what belongs to the cluster is ""


class Unfit(ValueError):
    """A text that holds no RBAC, in words that follow its name."""


@dataclass(frozen=True)
class Bound:
    """A role that a subject has by a binding: `namespace` is where, "" for the whole cluster."""

    binding: Place
    role: Place
    namespace: str
    rules: tuple[Rule, ...]

    def __str__(self) -> str:
        return f"{in_words(self.binding)} gives {in_words(self.role)}"

    def allows(self, rule: Rule, right: Right) -> bool:
        """Whether this rule of the role lets the right pass."""
        return self.namespace in ("", right.namespace) and rule.allows(right)


class Existing:
    """The roles and bindings among objects. Other objects are passed over."""

    def __init__(self, objects: Iterable[dict[str, Any]]) -> None:
        self.objects: dict[Place, dict[str, Any]] = {}
        for one in objects:
            if one.get("kind") in (*ROLES, *BINDINGS) and str(one.get("apiVersion", API)).startswith(API):
                self.objects[place_of(one)] = one

    def bound_to(self, subject: Subject) -> Iterator[Bound]:
        """The roles that the subject has, by the bindings' places."""
        for place, one in sorted(self.objects.items()):
            kind, namespace, _ = place
            if kind not in BINDINGS or not any(_is(subject, named, namespace) for named in one.get("subjects") or ()):
                continue
            ref = one.get("roleRef") or {}
            role = (str(ref.get("kind", "")), namespace if ref.get("kind") == "Role" else "", str(ref.get("name", "")))
            yield Bound(place, role, namespace, rules_in(self.objects.get(role, {})))


def read(text: str) -> Existing:
    """What a text in YAML or JSON holds: documents, lists or both. Raises Unfit."""
    found: list[dict[str, Any]] = []
    try:
        for document in yaml.load_all(text, _LOADER):
            found += _objects(document)
            if len(found) > MOST_OBJECTS:
                raise Unfit(f"has more than {MOST_OBJECTS:,} objects")
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, Unfit):
            raise
        raise Unfit("is no YAML and no JSON") from None
    existing = Existing(found)
    if not existing.objects:
        raise Unfit("has no roles and no bindings")
    return existing


def _objects(document: object) -> list[dict[str, Any]]:
    if not isinstance(document, dict):
        return []
    items = document.get("items")
    if not isinstance(items, list):
        return [document] if isinstance(document.get("metadata"), dict) else []
    kind = str(document.get("kind", ""))  # of a list of one kind the API server leaves it out of the items
    named = {"kind": kind.removesuffix("List")} if kind != "List" else {}
    return [{**named, **one} for one in items if isinstance(one, dict) and isinstance(one.get("metadata"), dict)]


def place_of(made: dict[str, Any]) -> Place:
    """Where an object is."""
    about = made["metadata"]
    return str(made["kind"]), str(about.get("namespace") or ""), str(about.get("name", ""))


def in_words(place: Place) -> str:
    kind, namespace, name = place
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def rules_in(made: dict[str, Any]) -> tuple[Rule, ...]:
    """The rules of a role; none of an object without any."""
    keys = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
    rules = [one for one in made.get("rules") or () if isinstance(one, dict)]
    return tuple(Rule(*(tuple(str(text) for text in one.get(key) or ()) for key in keys)) for one in rules)


def _is(subject: Subject, named: object, namespace: str) -> bool:
    """Whether a binding's subject is this one. A service account without a namespace is of the binding's."""
    if not isinstance(named, dict) or named.get("kind") != subject.kind or named.get("name") != subject.name:
        return False
    return subject.kind != "ServiceAccount" or str(named.get("namespace") or namespace) == subject.namespace
