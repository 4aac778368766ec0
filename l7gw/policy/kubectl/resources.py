"""Which resource a word of kubectl means, and which resource the objects of a kind are."""

from __future__ import annotations

import msgspec

from l7gw.config.document import nearest, shown
from l7gw.kube.builtin import BUILT_IN, EVERYWHERE, GROUPS
from l7gw.policy.kubectl.words import NotRead
from l7gw.policy.vocabulary import SPELLINGS

# `kubectl get all` (the category of that name)
ALL = (
    *("pods", "replicationcontrollers", "services", "daemonsets.apps", "deployments.apps", "replicasets.apps", "statefulsets.apps"),
    *("horizontalpodautoscalers.autoscaling", "cronjobs.batch", "jobs.batch"),
)


class Resource(msgspec.Struct, frozen=True):
    """A resource. `group` is "" for the core group. What is not Kubernetes' own counts as one whose objects are in namespaces."""

    plural: str
    group: str = ""

    @property
    def namespaced(self) -> bool:
        return not (self.plural in EVERYWHERE and self.group in GROUPS)


def resource_of(word: str) -> Resource:
    """The resource that a word means: `po`, `deploy`, `Deployment`, `deployments.apps`, `deployments.v1.apps` or
    `widgets.example.com`. Raises NotRead for a word that is none of Kubernetes' own and has no group."""
    base, _, group = word.lower().partition(".")
    known = SPELLINGS.get(base, base)
    plural, _, of_group = known.partition(".")
    if not group:
        if (of_group, plural) in BUILT_IN:
            return Resource(plural, of_group)
        found = [name for name in BUILT_IN if name[1] in _plurals(base)]
        if found:
            return Resource(found[0][1], found[0][0])
        near = nearest(base, [*SPELLINGS, *(name for _, name in BUILT_IN)])
        hint = f"did you mean {near}?" if near else "a custom resource is written with its group, as in widgets.example.com"
        raise NotRead(f"{shown(word)} is no resource of Kubernetes' own", hint)
    version, _, rest = group.partition(".")
    if rest and version[:1] == "v" and version[1:2].isdigit():
        group = rest
    own = next((name for name in _plurals(base) if (group, name) in BUILT_IN), "")
    return Resource(own or (plural if of_group == group else base), group)


def resource_of_kind(kind: str, group: str) -> Resource:
    """The resource of an object (AM pkg/api/meta/restmapper.go: UnsafeGuessKindToResource)."""
    lower = kind.lower()
    known = SPELLINGS.get(lower, "")
    plural, _, of_group = known.partition(".")
    if known and of_group == group:
        return Resource(plural, group)
    return Resource(next((name for name in _plurals(lower) if (group, name) in BUILT_IN), _plurals(lower)[-1]), group)


def _plurals(word: str) -> tuple[str, ...]:
    """What may be the plural of a word; the word itself, as it may be one."""
    if word.endswith("s"):
        return (word, f"{word}es")
    return (word, f"{word[:-1]}ies") if word.endswith("y") else (word, f"{word}s")
