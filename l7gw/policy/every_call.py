"""One call of each sort: each verb on each resource and subresource of Kubernetes and on a custom resource, and some paths."""

from __future__ import annotations

from functools import lru_cache

from l7gw.kube.act import Act
from l7gw.kube.builtin import BUILT_IN
from l7gw.kube.effects import path_effects, resource_effects
from l7gw.policy.vocabulary import CONNECTS, METHODS, VERBS


@lru_cache(maxsize=1)
def every_call() -> tuple[Act, ...]:
    """The calls. They name no namespace and no object, and have no argv."""
    kinds = [(group, plural, sub) for (group, plural), subs in BUILT_IN.items() for sub in ("", *subs)]
    kinds += [("example.com", "widgets", sub) for sub in ("", "status", "scale", "more")]
    found = [
        Act(
            verb,
            path="",
            query="",
            effects=resource_effects(verb, group, resource, subresource),
            is_resource=True,
            group=group,
            resource=resource,
            subresource=subresource,
        )
        for group, resource, subresource in kinds
        for verb in VERBS
        if verb not in CONNECTS and verb not in METHODS
    ]
    paths = [(verb, path) for verb in ("get", "patch", "delete", *METHODS) for path in ("/version", "/metrics")]
    return (*found, *(Act(verb, path=path, query="", effects=path_effects(verb, path)) for verb, path in paths))
