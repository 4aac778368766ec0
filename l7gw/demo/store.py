"""The demo cluster's objects, in memory: kinds, versions, watches, patches."""

from __future__ import annotations

import asyncio
import copy
import datetime
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

PASSWORD = "Tr0ub4dor&3 of the demo, which nobody sees"  # what the Secret `database` holds, and the environment of each pod


@dataclass(frozen=True)
class Kind:
    """One kind of resource that the demo serves."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
    subresources: tuple[tuple[str, str, str], ...] = ()  # name, kind, verbs joined by commas

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()


REVIEW = ("create",)
ALL = ("all",)
KINDS = (
    Kind("", "v1", "namespaces", "Namespace", namespaced=False, short=("ns",)),
    Kind("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False, short=("pv",)),
    Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short=("pvc",)),
    Kind(
        "", "v1", "pods", "Pod", short=("po",), categories=ALL,
        subresources=(
            ("attach", "PodAttachOptions", "create,get"),
            ("exec", "PodExecOptions", "create,get"),
            ("log", "Pod", "get"),
            ("portforward", "PodPortForwardOptions", "create,get"),
        ),
    ),
    Kind("", "v1", "configmaps", "ConfigMap", short=("cm",)),
    Kind("", "v1", "secrets", "Secret"),
    Kind("", "v1", "events", "Event", short=("ev",), verbs=("get", "list", "watch")),
    Kind("", "v1", "services", "Service", short=("svc",), categories=ALL),
    Kind("", "v1", "serviceaccounts", "ServiceAccount", short=("sa",)),
    Kind("apps", "v1", "deployments", "Deployment", short=("deploy",), categories=ALL),
    Kind("apps", "v1", "replicasets", "ReplicaSet", short=("rs",), categories=ALL),
    Kind("apps", "v1", "statefulsets", "StatefulSet", short=("sts",), categories=ALL),
    Kind("apps", "v1", "daemonsets", "DaemonSet", short=("ds",), categories=ALL),
    Kind("batch", "v1", "jobs", "Job", categories=ALL),
    Kind("batch", "v1", "cronjobs", "CronJob", short=("cj",), categories=ALL),
    Kind("networking.k8s.io", "v1", "ingresses", "Ingress", short=("ing",)),
    Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short=("pdb",)),
    Kind("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False, verbs=REVIEW),
    Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False, verbs=REVIEW),
)  # fmt: skip


class Missing(Exception):
    """No such object."""


class Conflict(Exception):
    """The object already exists, and its name is the text; or it was changed meanwhile."""


class Store:
    """Objects by kind, namespace and name. Every change gets a version, and watches are told of it."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._version = 1
        self._history: list[tuple[int, str, str, Object]] = []  # version, plural, type, object
        self._changed = asyncio.Condition()

    @property
    def version(self) -> str:
        return str(self._version)

    def list(self, kind: Kind, namespace: str) -> Iterator[Object]:
        for (plural, where, _), found in sorted(self._objects.items()):
            if plural == kind.plural and (not namespace or where == namespace):
                yield copy.deepcopy(found)

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        try:
            return copy.deepcopy(self._objects[kind.plural, namespace if kind.namespaced else "", name])
        except KeyError:
            raise Missing from None

    async def put(self, kind: Kind, namespace: str, new: Object, *, create: bool, dry: bool = False) -> Object:
        """Write an object, and give it as it stands then. A dry run gives the same, but for the new version, and writes nothing.
        Raises Missing and Conflict."""
        metadata = new.setdefault("metadata", {})
        name = metadata.get("name") or metadata.get("generateName", "") + uuid.uuid4().hex[:5]
        key = (kind.plural, namespace if kind.namespaced else "", name)
        old = self._objects.get(key)
        if create and old is not None:
            raise Conflict(name)
        if not create and old is None:
            raise Missing
        stated = metadata.get("resourceVersion")
        if old is not None and stated and stated != old["metadata"]["resourceVersion"]:
            raise Conflict
        metadata["name"] = name
        if kind.namespaced:
            metadata["namespace"] = namespace
        kept = old["metadata"] if old else {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        metadata["uid"], metadata["creationTimestamp"] = kept["uid"], kept["creationTimestamp"]
        new["apiVersion"], new["kind"] = kind.api_version, kind.kind
        if dry:
            metadata.pop("resourceVersion", None)
            if old is not None:
                metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
            return copy.deepcopy(new)
        await self._write(key, "ADDED" if create else "MODIFIED", new)
        return copy.deepcopy(new)

    async def delete(self, kind: Kind, namespace: str, name: str) -> Object:
        gone = self.get(kind, namespace, name)
        key = (kind.plural, namespace if kind.namespaced else "", name)
        await self._write(key, "DELETED", gone)
        del self._objects[key]
        return gone

    async def _write(self, key: tuple[str, str, str], what: str, new: Object) -> None:
        async with self._changed:
            self._version += 1
            new["metadata"]["resourceVersion"] = str(self._version)
            self._objects[key] = copy.deepcopy(new)
            self._history.append((self._version, key[0], what, copy.deepcopy(new)))
            self._changed.notify_all()

    async def watch(self, kind: Kind, namespace: str, since: int) -> AsyncIterator[tuple[str, Object]]:
        """Changes after version `since`, for ever."""
        seen = since
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._version > seen)  # noqa: B023
                fresh = [entry for entry in self._history if entry[0] > seen]
                seen = self._version
            for _, plural, what, changed in fresh:
                if plural == kind.plural and (not namespace or changed["metadata"].get("namespace") == namespace):
                    yield what, copy.deepcopy(changed)


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


MERGED_BY = ("name", "containerPort", "mountPath", "port")  # the keys by which strategic patches merge these kinds' lists


def merge(old: Any, patch: Any, *, strategic: bool) -> Any:
    """`old` after a merge patch (RFC 7386), or after a strategic one as far as the demo's kinds need it."""
    if isinstance(patch, dict):
        if not isinstance(old, dict):
            old = {}
        result = dict(old)
        for key, value in patch.items():
            if strategic and key.startswith("$"):
                continue
            if value is None:
                result.pop(key, None)
            else:
                result[key] = merge(result.get(key), value, strategic=strategic)
        return result
    if strategic and isinstance(patch, list) and isinstance(old, list):
        by = next((k for k in MERGED_BY if patch and all(isinstance(p, dict) and k in p for p in patch)), None)
        if by is not None:
            return _merge_list(old, patch, by)
    return patch


def _merge_list(old: list[Any], patch: list[Any], by: str) -> list[Any]:
    result = list(old)
    for item in patch:
        place = next((i for i, o in enumerate(result) if isinstance(o, dict) and o.get(by) == item[by]), None)
        if item.get("$patch") == "delete":
            result = [o for o in result if not (isinstance(o, dict) and o.get(by) == item[by])]
        elif place is None:
            result.append(item)
        else:
            result[place] = merge(result[place], item, strategic=True)
    return result
