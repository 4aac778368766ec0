"""Objects in which values are planted that must not leave, and the search for these values in what left."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
import string
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import hyperscan

LETTERS = string.ascii_letters + string.digits
NAMESPACE = "shop"
LONG = 256 * 1024  # bytes, from which on all forms are searched for at once
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def forms(value: bytes) -> Iterator[bytes]:
    """A value in every form in which it must not leave: as it is, in base64 at three offsets in both alphabets, in hex, in percent
    signs, in JSON's escapes; and each half of it."""
    yield value
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + value)
        kept = whole[(before * 8 + 5) // 6 : (before * 8 + len(value) * 8) // 6]
        yield kept
        yield kept.replace(b"+", b"-").replace(b"/", b"_")
    yield value.hex().encode()
    yield value.hex().upper().encode()
    yield urllib.parse.quote_from_bytes(value, safe="").encode()
    yield b"".join(b"%%%02X" % byte for byte in value)
    yield b"".join(b"%%%02x" % byte for byte in value)
    text = value.decode("utf-8", "surrogateescape")
    yield json.dumps(text)[1:-1].encode()
    yield "".join(f"\\u{ord(letter):04x}" for letter in text).encode()
    yield value[: len(value) // 2]
    yield value[len(value) // 2 :]


class Searched:
    """The planted values, searched for in all their forms."""

    def __init__(self, values: list[bytes]) -> None:
        self._forms = {form: value for value in values for form in forms(value)}
        self._database: Any = None

    def found_in(self, data: bytes) -> list[str]:
        """What was found, in words. Empty where nothing was."""
        if len(data) > LONG and not self._noticed(data):
            return []
        return [f"{value!r} as {form!r}" for form, value in self._forms.items() if form in data]

    def _noticed(self, data: bytes) -> bool:
        """Whether any form stands in long data: one search for all of them."""
        if self._database is None:
            self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
            expressions = [re.escape(form) for form in self._forms]
            flags = hyperscan.HS_FLAG_SINGLEMATCH
            self._database.compile(expressions=expressions, ids=range(len(expressions)), elements=len(expressions), flags=flags)
        noticed: list[int] = []
        self._database.scan(data, match_event_handler=lambda found, *_: noticed.append(found))
        return bool(noticed)


@dataclass
class Planted:
    """An object and the values in it that must not leave. `plural` and `group` are those of its URL."""

    value: dict[str, Any]
    plural: str
    group: str = ""
    subresource: str = ""
    values: list[bytes] = field(default_factory=list)
    custom: bool = False  # there is no such kind in protobuf

    @property
    def kind(self) -> str:
        return str(self.value["kind"])

    def path(self, *, name: bool) -> str:
        """The path of its collection, or of the object itself."""
        version = str(self.value["apiVersion"]).rpartition("/")[2]
        root = f"/apis/{self.group}/{version}" if self.group else f"/api/{version}"
        path = f"{root}/namespaces/{NAMESPACE}/{self.plural}"
        if name:
            path += f"/{self.value['metadata']['name']}"
        return f"{path}/{self.subresource}" if self.subresource else path


class Planter:
    """Makes objects and plants values in them. Everything follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def value(self, *, plain: bool = False) -> str:
        """A value that nothing else has. Unless it is `plain`, one in three holds what encodings escape."""
        dice = self.dice
        letters = "".join(dice.choices(LETTERS, k=dice.randint(16, 40)))
        middle = dice.choice(("", "", "", "", '"<&>\\', "ö\n€")) if not plain else ""
        return f"Zq{letters[:8]}{middle}{letters[8:]}7"

    def meta(self, name: str = "it") -> dict[str, Any]:
        return {"name": name, "namespace": NAMESPACE, "uid": "0b5b4f5e-8d3e-4b52-9d0a-3c2f0f0f0f0f", "resourceVersion": "77",
                "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": "web"}}  # fmt: skip

    def applied(self, value: dict[str, Any]) -> dict[str, Any]:
        """The object as kubectl apply leaves it: with the manifest in an annotation."""
        manifest = {name: member for name, member in value.items() if name != "status"}
        manifest["metadata"] = {"name": value["metadata"]["name"], "namespace": NAMESPACE, "annotations": {}}
        text = json.dumps(manifest, separators=(",", ":")) + "\n"
        return {**value, "metadata": {**value["metadata"], "annotations": {APPLIED: text, "note": "x"}}}

    # -- kinds

    def secret(self) -> Planted:
        values = [self.value() for _ in range(3)]
        octets = self.dice.randbytes(24)
        data = {"password": values[0], "user": values[1], "config.json": json.dumps({"auths": {"r": {"auth": values[2]}}})}
        encoded = {key: _b64(text.encode()) for key, text in data.items()} | {"der": _b64(octets)}
        it = self.applied({"kind": "Secret", "apiVersion": "v1", "metadata": self.meta(), "data": encoded, "type": "Opaque"})
        extra = self.value()  # what an apply took away since
        applied = json.loads(it["metadata"]["annotations"][APPLIED])
        applied["stringData"] = {"former": extra}
        it["metadata"]["annotations"][APPLIED] = json.dumps(applied) + "\n"
        return Planted(it, "secrets", values=[*(text.encode() for text in values), octets, extra.encode()])

    def helm_secret(self) -> Planted:
        value = self.value(plain=True)
        release = gzip.compress(
            json.dumps({"name": "web", "config": {"password": value}, "pad": self.dice.randbytes(40).hex()}).encode()
        )
        inner = base64.b64encode(release)
        secret = {"kind": "Secret", "apiVersion": "v1", "metadata": self.meta("sh.helm.release.v1.web.v1"), "type": "helm.sh/release.v1",
                  "data": {"release": _b64(inner)}}  # fmt: skip
        return Planted(secret, "secrets", values=[value.encode(), release, inner])

    def config_map(self) -> Planted:
        password, token, inner = self.value(), self.value(plain=True), self.value(plain=True)
        kubeconfig = f"apiVersion: v1\nkind: Config\nusers:\n- name: a\n  user:\n    token: {token}\n"
        manifest = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "x"}, "data": {"k": _b64(inner.encode())}}
        data = {"DB_PASSWORD": password, "kubeconfig": kubeconfig, "manifest.json": json.dumps(manifest), "color": "blue"}
        it = self.applied({"kind": "ConfigMap", "apiVersion": "v1", "metadata": self.meta(), "data": data})
        return Planted(it, "configmaps", values=[text.encode() for text in (password, token, inner)])

    def _pod_spec(self) -> tuple[dict[str, Any], list[bytes]]:
        values: list[bytes] = []

        def containers(name: str) -> list[dict[str, Any]]:
            value = self.value()
            values.append(value.encode())
            variable = self.dice.choice(("DB_PASSWORD", "apiToken", "AWS_SECRET_ACCESS_KEY", "app.secret", "SMTP_PASS"))
            env = [{"name": "HOME", "value": "/root"}, {"name": variable, "value": value}]
            return [{"name": name, "image": "registry.example.com/app:1", "env": env}]

        spec: dict[str, Any] = {"containers": containers("app"), "initContainers": containers("init"), "restartPolicy": "Always"}
        return spec, values

    def pod(self) -> Planted:
        spec, values = self._pod_spec()
        debug = self.value()
        spec["ephemeralContainers"] = [{"name": "debug", "image": "busybox", "env": [{"name": "TOKEN", "value": debug}]}]
        it = {"kind": "Pod", "apiVersion": "v1", "metadata": self.meta(), "spec": spec, "status": {"phase": "Running"}}
        return Planted(self.applied(it), "pods", values=[*values, debug.encode()])

    def _templated(self, kind: str, api_version: str, plural: str) -> Planted:
        pod, values = self._pod_spec()
        labels = {"app": plural}  # of its own, so that no controller adopts another's pods
        template = {"metadata": {"labels": labels}, "spec": pod}
        if kind in ("Job", "CronJob"):
            pod["restartPolicy"] = "Never"
        match kind:
            case "PodTemplate":
                rest: dict[str, Any] = {"template": template}
            case "CronJob":
                rest = {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}}
            case "Job":
                rest = {"spec": {"template": template}}
            case "ControllerRevision":
                rest = {"revision": 3, "data": {"spec": {"template": {"$patch": "replace", **template}}}}
            case "Rollout":
                rest = {"spec": {"replicas": 1, "strategy": {"canary": {}}, "template": template}}
            case _:
                rest = {"spec": {"selector": {"matchLabels": labels}, "template": template}}
                if kind == "ReplicationController":
                    rest["spec"]["selector"] = labels
        it = self.applied({"kind": kind, "apiVersion": api_version, "metadata": self.meta(), **rest})
        return Planted(it, plural, api_version.rpartition("/")[0], values=values, custom=kind == "Rollout")

    def token_request(self) -> Planted:
        token = ".".join("".join(self.dice.choices(LETTERS, k=40)) for _ in range(3))
        it = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": self.meta(),
              "spec": {"audiences": ["api"], "expirationSeconds": 3600},
              "status": {"token": token, "expirationTimestamp": "2026-01-01T00:00:00Z"}}  # fmt: skip
        return Planted(it, "serviceaccounts", subresource="token", values=[token.encode()])


def _kind(kind: str, api_version: str, plural: str) -> Callable[[Planter], Planted]:
    return lambda planter: planter._templated(kind, api_version, plural)


KINDS: dict[str, Callable[[Planter], Planted]] = {
    "Secret": Planter.secret,
    "Secret of Helm": Planter.helm_secret,
    "ConfigMap": Planter.config_map,
    "Pod": Planter.pod,
    "PodTemplate": _kind("PodTemplate", "v1", "podtemplates"),
    "ReplicationController": _kind("ReplicationController", "v1", "replicationcontrollers"),
    "Deployment": _kind("Deployment", "apps/v1", "deployments"),
    "ReplicaSet": _kind("ReplicaSet", "apps/v1", "replicasets"),
    "DaemonSet": _kind("DaemonSet", "apps/v1", "daemonsets"),
    "StatefulSet": _kind("StatefulSet", "apps/v1", "statefulsets"),
    "ControllerRevision": _kind("ControllerRevision", "apps/v1", "controllerrevisions"),
    "Job": _kind("Job", "batch/v1", "jobs"),
    "CronJob": _kind("CronJob", "batch/v1", "cronjobs"),
    "Rollout (a custom resource)": _kind("Rollout", "argoproj.io/v1alpha1", "rollouts"),
    "TokenRequest": Planter.token_request,
}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
