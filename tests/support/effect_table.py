"""The table of docs/policy.md that lists what is in each effect: made of what the effects of every sort of call are."""

from __future__ import annotations

from collections import defaultdict

from l7gw.kube.act import EFFECTS, Effect
from l7gw.kube.effects import DISCOVERY_ROOTS
from l7gw.policy.every_call import every_call

MANY = 60  # resources; so many are told by those that are left out
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
UNKNOWN = "widgets.example.com/more"  # stands in `every_call` for a subresource that Kubernetes does not have
SELF_REVIEWS = "selfsubject"  # how their resources begin, of which nothing but a create exists
PATHS: dict[str, list[tuple[str, str]]] = {
    "discovery": [("get, head", f"the paths {', '.join(f'`{one}`' for one in sorted(DISCOVERY_ROOTS))}, and what lies below them")],
    "read": [("get, head", "any other path that is no resource, such as `/metrics`, with `other`")],
    "write": [("any other method", "a path that is no resource, with `other`")],
    "impersonate": [("any", "any call that is made as somebody else (`kubectl --as`), beside its own effects")],
    "other": [("any", "a path that is no resource but those of discovery; a verb that is none of these")],
}


def effect_table() -> str:
    """The table in Markdown: a line for each set of verbs by which calls have an effect."""
    lines = ["| effect | verbs | of |", "|---|---|---|"]
    for effect in EFFECTS:
        for verbs, of in (*_resources(effect), *PATHS.get(effect, [])):
            lines.append(f"| `{effect}` | {verbs} | {of} |")
    return "\n".join(lines)


def _resources(effect: Effect) -> list[tuple[str, str]]:
    acts = [act for act in every_call() if act.is_resource and not (act.resource.startswith(SELF_REVIEWS) and act.verb != "create")]
    known = {act.kind for act in acts}
    verbs_of: dict[str, set[str]] = defaultdict(set)
    for act in acts:
        if effect in act.effects:
            verbs_of[act.kind].add(act.verb)
    of_verbs: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for kind, verbs in verbs_of.items():
        of_verbs[tuple(verb for verb in VERBS if verb in verbs)].append(kind)
    return [("any" if verbs == VERBS else ", ".join(verbs), _named(kinds, known)) for verbs, kinds in of_verbs.items()]


def _named(kinds: list[str], known: set[str]) -> str:
    if len(kinds) < MANY:
        return ", ".join(f"`{one}`" if one != UNKNOWN else "a subresource that Kubernetes does not have" for one in kinds)
    left = sorted(known.difference(kinds, (UNKNOWN,)))
    return f"every resource but {', '.join(f'`{one}`' for one in left)}"
