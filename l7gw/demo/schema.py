"""The demo cluster's description of itself: discovery in both forms, as much of OpenAPI v3 as kubectl needs, and tables."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

from l7gw.demo.store import KINDS, Kind, Object

VERSION = {
    "major": "1",
    "minor": "33",
    "gitVersion": "v1.33.0+l7gw-demo",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}


def groups() -> list[str]:
    return sorted({kind.group for kind in KINDS if kind.group})


def kinds_of(group: str) -> list[Kind]:
    return [kind for kind in KINDS if kind.group == group]


# -- discovery


def aggregated(core: bool, version: str) -> Object:
    """APIGroupDiscoveryList (apidiscovery.k8s.io), of the core group or of all others."""
    items = []
    for group in [""] if core else groups():
        resources = []
        for kind in kinds_of(group):
            resources.append(
                {
                    "resource": kind.plural,
                    "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
                    "scope": "Namespaced" if kind.namespaced else "Cluster",
                    "singularResource": kind.singular,
                    "verbs": list(kind.verbs),
                    "shortNames": list(kind.short),
                    "categories": list(kind.categories),
                    "subresources": [
                        {
                            "subresource": name,
                            "responseKind": {"group": "", "version": "v1", "kind": of},
                            "verbs": verbs.split(","),
                        }
                        for name, of, verbs in kind.subresources
                    ],
                }
            )
        items.append(
            {
                "metadata": {"name": group or None, "creationTimestamp": None},
                "versions": [{"version": "v1", "resources": resources, "freshness": "Current"}],
            }
        )
    return {"kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{version}", "metadata": {}, "items": items}


def plain(path: str) -> Object | None:
    """The answer to `/api`, `/apis`, `/api/v1` and `/apis/GROUP/v1` for clients without aggregated discovery; None for other
    paths."""
    parts = path.strip("/").split("/")
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if parts == ["apis"]:
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in groups()]}
    if len(parts) == 2 and parts[0] == "apis" and parts[1] in groups():
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1])}
    group = "" if parts == ["api", "v1"] else parts[1] if len(parts) == 3 and parts[0] == "apis" else None
    if group is None or not kinds_of(group):
        return None
    resources = []
    for kind in kinds_of(group):
        resources.append(
            {
                "name": kind.plural,
                "singularName": kind.singular,
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": list(kind.verbs),
                "shortNames": list(kind.short),
                "categories": list(kind.categories),
            }
        )
        for name, of, verbs in kind.subresources:
            resources.append(
                {
                    "name": f"{kind.plural}/{name}",
                    "singularName": "",
                    "namespaced": kind.namespaced,
                    "kind": of,
                    "verbs": verbs.split(","),
                }
            )
    version = f"{group}/v1" if group else "v1"
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}


def _group(name: str) -> Object:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


# -- OpenAPI v3

OBJECT = {"type": "object"}
TEXT = {"type": "string"}
FIELDS: dict[str, dict[str, Any]] = {
    "Pod": {
        "spec": {
            "type": "object",
            "description": "What should run.",
            "properties": {
                "containers": {
                    "type": "array",
                    "description": "The pod's containers.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": {**TEXT, "description": "The container's name."},
                            "image": {**TEXT, "description": "The image that it runs."},
                            "command": {"type": "array", "items": TEXT},
                            "args": {"type": "array", "items": TEXT},
                        },
                    },
                    "x-kubernetes-patch-merge-key": "name",
                    "x-kubernetes-patch-strategy": "merge",
                }
            },
        },
        "status": {**OBJECT, "description": "What is seen to run."},
    },
    "ConfigMap": {
        "data": {"type": "object", "description": "The configuration.", "additionalProperties": TEXT},
        "binaryData": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
    },
    "Secret": {
        "data": {
            "type": "object",
            "description": "The secret, base64.",
            "additionalProperties": {"type": "string", "format": "byte"},
        },
        "stringData": {"type": "object", "additionalProperties": TEXT},
        "type": {**TEXT, "description": "What the secret is for."},
    },
    "Deployment": {
        "spec": {**OBJECT, "description": "The wanted state."},
        "status": {**OBJECT, "description": "The seen state."},
    },
}


def openapi_index() -> Object:
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash=DEMO"} for path in _group_versions()}}


def _group_versions() -> dict[str, str]:
    return {"api/v1": "", **{f"apis/{name}/v1": name for name in groups()}}


def openapi(path: str) -> Object | None:
    """The OpenAPI document of one group and version: schemas for `explain`, and the parameters of patches for `apply`."""
    group = _group_versions().get(path)
    if group is None:
        return None
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for kind in kinds_of(group):
        name = f"io.k8s.api.{(group or 'core').split('.')[0]}.v1.{kind.kind}"
        gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        schemas[name] = {
            "type": "object",
            "description": f"{kind.kind} as the demo cluster keeps it.",
            "properties": {
                "apiVersion": {**TEXT, "description": "The version of this object's schema."},
                "kind": {**TEXT, "description": "The kind of this object."},
                "metadata": {**OBJECT, "description": "Name, namespace, labels."},
                **FIELDS.get(kind.kind, {}),
            },
            "x-kubernetes-group-version-kind": [gvk],
        }
        where = "namespaces/{namespace}/" if kind.namespaced else ""
        parameters = [
            {"name": n, "in": "query", "schema": {"type": "string"}} for n in ("dryRun", "fieldManager", "fieldValidation")
        ]
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        operation = {
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": content}},
            "x-kubernetes-group-version-kind": gvk,
        }
        paths[f"/{path}/{where}{kind.plural}/{{name}}"] = {
            "get": {**operation, "x-kubernetes-action": "get"},
            "patch": {**operation, "x-kubernetes-action": "patch"},
            "put": {**operation, "x-kubernetes-action": "put"},
        }
    return {
        "openapi": "3.0.0",
        "info": {"title": "l7gw demo cluster", "version": VERSION["gitVersion"]},
        "paths": paths,
        "components": {"schemas": schemas},
    }


# -- tables (meta.k8s.io Table), as plain `kubectl get` asks for them

Cell = Callable[[Object], Any]


def _age(found: Object) -> str:
    made = datetime.datetime.strptime(found["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")
    seconds = int((datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - made).total_seconds())
    return f"{seconds}s" if seconds < 120 else f"{seconds // 60}m" if seconds < 7200 else f"{seconds // 3600}h"


def _ready(pod: Object) -> str:
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return f"{sum(s['ready'] for s in statuses)}/{len(pod['spec']['containers'])}"


COLUMNS: dict[str, tuple[tuple[str, Cell], ...]] = {
    "Namespace": (("Status", lambda _: "Active"),),
    "Pod": (
        ("Ready", _ready),
        ("Status", lambda pod: pod.get("status", {}).get("phase", "Pending")),
        ("Restarts", lambda _: 0),
    ),
    "ConfigMap": (("Data", lambda found: len(found.get("data", {}))),),
    "Secret": (
        ("Type", lambda found: found.get("type", "Opaque")),
        ("Data", lambda found: len(found.get("data", {}))),
    ),
    "Deployment": (
        ("Ready", lambda found: f"{found['spec'].get('replicas', 1)}/{found['spec'].get('replicas', 1)}"),
        ("Up-to-date", lambda found: found["spec"].get("replicas", 1)),
        ("Available", lambda found: found["spec"].get("replicas", 1)),
    ),
}


def table(kind: Kind, objects: list[Object], version: str) -> Object:
    """The rows that `kubectl get` prints. Each has its object's metadata, as in the real server's answer."""
    columns: list[tuple[str, Cell]] = [
        ("Name", lambda found: found["metadata"]["name"]),
        *COLUMNS.get(kind.kind, ()),
        ("Age", _age),
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": [
            {"name": name, "type": "string", "format": "name" if name == "Name" else "", "description": "", "priority": 0}
            for name, _ in columns
        ],
        "rows": [
            {
                "cells": [cell(found) for _, cell in columns],
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": found["metadata"],
                },
            }
            for found in objects
        ],
    }


def dump(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
