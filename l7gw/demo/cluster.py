"""The embedded demo cluster: as much of the Kubernetes API as kubectl's daily commands need, in memory, on loopback.

It accepts only the client certificate that was made for this run, and believes that client's Impersonate-* headers.
"""

from __future__ import annotations

import base64
import copy
import json
import uuid
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from ssl import SSLContext
from typing import Any

from l7gw.demo import schema
from l7gw.demo.calls import Answer, Call
from l7gw.demo.pods import Pods
from l7gw.demo.portforward import PortForward, forward_ports
from l7gw.demo.server import Server
from l7gw.demo.shown import SHOP
from l7gw.demo.store import KINDS, PASSWORD, Conflict, Kind, Missing, Object, Store, merge, now
from l7gw.demo.websocket import WebSocket

VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
TUNNEL = "SPDY/3.1+portforward.k8s.io"
CHANNELS = "v5.channel.k8s.io"
LEGACY = "v4.channel.k8s.io"
CHANGED = "the object has been modified; please apply your changes to the latest version and try again"
UNKNOWN_FORMAT = "the body of the request was in an unknown format - accepted media types include:"
PATCHES = ("application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml")
BY_PATH = {(kind.group, kind.plural): kind for kind in KINDS}


class _Failure(Exception):
    """Has the words of a real API server where it has any: masking knows them, and masks others that are about a Secret."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.details = code, reason, details


class DemoCluster:
    """The cluster. After `start`, `port` is the port that it listens on. `spoken` counts calls by their HTTP version (ALPN)."""

    def __init__(self, folder: Path) -> None:
        self._store = Store()
        self._pods = Pods(folder)
        self._server = Server(self._handle)
        self.spoken: Counter[str] = Counter()

    @property
    def port(self) -> int:
        return self._server.port

    async def start(self, context: SSLContext) -> None:
        for name in ("default", "prod", SHOP):
            await self._store.put(_kind("namespaces"), "", {"metadata": {"name": name}}, create=True)
        data = {"password": base64.b64encode(PASSWORD.encode()).decode()}
        secret = {"metadata": {"name": "database"}, "type": "Opaque", "data": data}
        await self._store.put(_kind("secrets"), "default", secret, create=True)
        for namespace, name in (("default", "web-0"), ("default", "web-1"), ("prod", "db-0"), (SHOP, "orders-0")):
            pod: Object = {"metadata": {"name": name, "labels": {"app": name.split("-")[0]}}}
            pod["spec"] = {"containers": [{"name": "main", "image": "demo"}]}
            await self._create_pod(namespace, pod)
        claim: Object = {"metadata": {"name": "orders"}, "spec": {"volumeName": "orders-data"}, "status": {"phase": "Bound"}}
        await self._store.put(_kind("persistentvolumeclaims"), SHOP, claim, create=True)
        volume: Object = {"metadata": {"name": "orders-data"}, "status": {"phase": "Bound"}}
        volume["spec"] = {"persistentVolumeReclaimPolicy": "Delete", "claimRef": {"namespace": SHOP, "name": "orders"}}
        await self._store.put(_kind("persistentvolumes"), "", volume, create=True)
        await self._server.start(context)

    def stop(self) -> None:
        self._server.stop()

    # ------------------------------------------------------------------ requests

    async def _handle(self, call: Call) -> Answer:
        self.spoken[call.protocol] += 1
        try:
            return await self._answer(call)
        except _Failure as failure:
            return _status(failure.code, failure.reason, str(failure), failure.details)
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            return _status(400, "BadRequest", f"the demo cluster cannot read this: {type(error).__name__}")

    async def _answer(self, call: Call) -> Answer:
        path = call.path.rstrip("/")
        parts = path.strip("/").split("/")
        if path in ("/healthz", "/livez", "/readyz"):
            return Answer(body=b"ok", content_type="text/plain")
        if path == "/version":
            return _json(schema.VERSION)
        if path == "/openapi/v3":
            return _json(schema.openapi_index())
        if path.startswith("/openapi/v3/"):
            document = schema.openapi(path.removeprefix("/openapi/v3/"))
            return _json(document) if document else _status(404, "NotFound", "no such group and version")
        if path in ("/api", "/apis"):
            for version in ("v2", "v2beta1"):
                if f"g=apidiscovery.k8s.io;v={version};" in call.headers.get("accept", "") + ";":
                    kind = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
                    return Answer(body=schema.dump(schema.aggregated(path == "/api", version)), content_type=kind)
        document = schema.plain(path)
        if document is not None:
            return _json(document)
        if parts[:2] == ["api", "v1"]:
            return await self._resource(call, "", parts[2:])
        if parts[0] == "apis" and len(parts) > 3:
            return await self._resource(call, parts[1], parts[3:])
        return _status(404, "NotFound", "the demo cluster does not serve this path")

    async def _resource(self, call: Call, group: str, parts: list[str]) -> Answer:
        namespace = ""
        if parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        kind = BY_PATH.get((group, parts[0]))
        verb = VERBS.get(call.method)
        if kind is None or verb is None:
            return _status(404, "NotFound", "the demo cluster does not serve this resource")
        name = parts[1] if len(parts) > 1 else ""
        shown = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        about = {"name": name, "group": kind.group, "kind": kind.plural}
        try:
            if len(parts) > 2:
                return await self._subresource(call, kind, namespace, name, parts[2])
            return await self._of_kind(call, kind, namespace, name, verb)
        except Missing:
            raise _Failure(404, "NotFound", f'{shown} "{name}" not found', about) from None
        except Conflict as conflict:
            if verb == "create":
                about["name"] = str(conflict)
                raise _Failure(409, "AlreadyExists", f'{shown} "{conflict}" already exists', about) from None
            raise _Failure(409, "Conflict", f'Operation cannot be fulfilled on {shown} "{name}": {CHANGED}', about) from None

    async def _of_kind(self, call: Call, kind: Kind, namespace: str, name: str, verb: str) -> Answer:
        if kind.kind.startswith("SelfSubject"):
            return self._review(call, kind)
        if verb == "get":
            return self._read(call, kind, namespace, name)
        if verb == "delete":
            return await self._delete(call, kind, namespace, name)
        return await self._write(call, kind, namespace, name, verb)

    # ------------------------------------------------------------------ reads

    def _read(self, call: Call, kind: Kind, namespace: str, name: str) -> Answer:
        as_table = "as=Table" in call.headers.get("accept", "")
        if call.flag("watch"):
            since = int(call.first("resourceVersion") or 0)
            return Answer(pieces=self._watch(kind, namespace, since, _selector(call), as_table))
        if name:
            found = self._store.get(kind, namespace, name)
            return _json(schema.table(kind, [found], found["metadata"]["resourceVersion"]) if as_table else found)
        wanted = _selector(call)
        objects = [found for found in self._store.list(kind, namespace) if wanted(found)]
        if as_table:
            return _json(schema.table(kind, objects, self._store.version))
        metadata = {"resourceVersion": self._store.version}
        return _json({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": objects})

    async def _watch(self, kind: Kind, namespace: str, since: int, wanted: Any, as_table: bool) -> AsyncGenerator[bytes, None]:
        async for what, changed in self._store.watch(kind, namespace, since):
            if wanted(changed):
                shown = schema.table(kind, [changed], changed["metadata"]["resourceVersion"]) if as_table else changed
                yield schema.dump({"type": what, "object": shown})

    def _review(self, call: Call, kind: Kind) -> Answer:
        user = call.headers.get("impersonate-user", "")
        groups = [value for name, value in call.header_lines if name == "impersonate-group"]
        if kind.kind == "SelfSubjectReview":
            status: Object = {"userInfo": {"username": user, "groups": groups}}
            extra = call.headers.get("impersonate-extra-l7gw-user")
            if extra:
                status["userInfo"]["extra"] = {"l7gw-user": [extra]}
        else:
            status = {"allowed": True, "reason": "the demo cluster allows everything"}
        document = {
            "kind": kind.kind,
            "apiVersion": kind.api_version,
            "metadata": {"creationTimestamp": now()},
            "spec": call.document().get("spec", {}),
            "status": status,
        }
        return _json(document, 201)

    # ------------------------------------------------------------------ writes

    async def _write(self, call: Call, kind: Kind, namespace: str, name: str, verb: str) -> Answer:
        dry = "All" in call.all("dryRun")
        document = call.document()
        created = verb == "create"
        if verb == "patch":
            document, created = self._patched(call, kind, namespace, name, document)
        if kind.kind == "Secret":
            _to_data(document)
        if created and kind.namespaced:
            self._check_namespace(namespace)
        if kind.kind == "Pod" and created:
            written = await self._create_pod(namespace, document, dry=dry)
        else:
            written = await self._store.put(kind, namespace, document, create=created, dry=dry)
        return _json(written, 201 if created else 200)

    def _check_namespace(self, namespace: str) -> None:
        try:
            self._store.get(_kind("namespaces"), "", namespace)
        except Missing:
            about = {"name": namespace, "kind": "namespaces"}
            raise _Failure(404, "NotFound", f'namespaces "{namespace}" not found', about) from None

    def _patched(self, call: Call, kind: Kind, namespace: str, name: str, patch: Any) -> tuple[Object, bool]:
        how = call.headers.get("content-type", "").split(";")[0]
        try:
            old = self._store.get(kind, namespace, name)
        except Missing:
            if how != "application/apply-patch+yaml":
                raise
            return patch, True
        if how == "application/json-patch+json":
            raise _Failure(415, "UnsupportedMediaType", f"{UNKNOWN_FORMAT} {', '.join(PATCHES)}")
        return merge(old, patch, strategic=how != "application/merge-patch+json"), False

    async def _create_pod(self, namespace: str, document: Object, *, dry: bool = False) -> Object:
        """Make a pod. There is no kubelet, so the pod runs at once."""
        pod = copy.deepcopy(document)
        names = [container["name"] for container in pod["spec"]["containers"]]
        pod["spec"].setdefault("nodeName", "demo")
        pod["status"] = {
            "phase": "Running",
            "podIP": "127.0.0.1",
            "startTime": now(),
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {
                    "name": n,
                    "ready": True,
                    "restartCount": 0,
                    "image": "demo",
                    "imageID": "",
                    "state": {"running": {"startedAt": now()}},
                }
                for n in names
            ],
        }
        pod.setdefault("metadata", {}).setdefault("name", f"pod-{uuid.uuid4().hex[:5]}")
        written = await self._store.put(_kind("pods"), namespace, pod, create=True, dry=dry)
        if not dry:
            await self._pods.started(namespace, written["metadata"]["name"])
        return written

    async def _delete(self, call: Call, kind: Kind, namespace: str, name: str) -> Answer:
        """Delete an object, or all that the selectors choose. Of a call with a body, that alone says whether it is a dry run."""
        options: Object = call.document() if call.body else {"dryRun": call.all("dryRun")}
        dry = "All" in (options.get("dryRun") or ())
        if name:
            found = self._store.get(kind, namespace, name)
            for field, wanted in (options.get("preconditions") or {}).items():
                if found["metadata"].get(field) != wanted:
                    raise Conflict(name)
            if not dry:
                await self._remove(kind, namespace, name)
            details = {"name": name, "kind": kind.plural, "uid": found["metadata"]["uid"]}
            return _json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
        wanted_ones = _selector(call)
        gone = [found for found in self._store.list(kind, namespace) if wanted_ones(found)]
        for found in gone if not dry else ():
            await self._remove(kind, found["metadata"].get("namespace", ""), found["metadata"]["name"])
        return _json({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": {}, "items": gone})

    async def _remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object and what goes with it: what a namespace holds, and the volume of a claim that is not to be kept."""
        if kind.kind == "Namespace":
            for inside in KINDS:
                for found in list(self._store.list(inside, name)) if inside.namespaced else ():
                    await self._remove(inside, name, found["metadata"]["name"])
        elif kind.kind == "PersistentVolumeClaim":
            for volume in list(self._store.list(_kind("persistentvolumes"), "")):
                spec = volume.get("spec", {})
                claimed = spec.get("claimRef") == {"namespace": namespace, "name": name}
                if claimed and spec.get("persistentVolumeReclaimPolicy") == "Delete":
                    await self._store.delete(_kind("persistentvolumes"), "", volume["metadata"]["name"])
        await self._store.delete(kind, namespace, name)
        if kind.kind == "Pod":
            self._pods.removed(namespace, name)

    # ------------------------------------------------------------------ subresources

    async def _subresource(self, call: Call, kind: Kind, namespace: str, name: str, subresource: str) -> Answer:
        if kind.kind != "Pod" or subresource not in ("log", "exec", "attach", "portforward"):
            raise _Failure(404, "NotFound", "the demo cluster does not serve this subresource")
        self._store.get(kind, namespace, name)
        if subresource == "log":
            tail = call.first("tailLines")
            lines = self._pods.logs(namespace, name, call.flag("follow"), int(tail) if tail else None)
            return Answer(pieces=lines, content_type="text/plain")
        if call.headers.get("upgrade", "").lower() == "spdy/3.1":
            switch = f"KUBECTL_{'PORT_FORWARD' if subresource == 'portforward' else 'REMOTE_COMMAND'}_WEBSOCKETS"
            advice = f"use kubectl 1.31 or newer and leave {switch} unset"
            raise _Failure(400, "BadRequest", f"the demo cluster speaks WebSocket alone; {advice}")
        if call.headers.get("upgrade", "").lower() != "websocket":
            raise _Failure(400, "BadRequest", "Upgrade request required")
        known = (TUNNEL, LEGACY) if subresource == "portforward" else (CHANNELS,)
        offered = [p.strip() for p in call.headers.get("sec-websocket-protocol", "").split(",")]
        chosen = next((p for p in known if p in offered), None)
        if chosen is None:
            raise _Failure(400, "BadRequest", f"the demo cluster speaks {' and '.join(known)} alone")

        async def converse(socket: WebSocket) -> None:
            if subresource == "portforward":
                ports = [int(port) for value in call.all("ports") for port in value.split(",")]
                await (PortForward(socket).run() if chosen == TUNNEL else forward_ports(socket, ports))
            elif subresource == "attach":
                await self._pods.attach(socket, namespace, name)
            else:
                tty, stdin = call.flag("tty"), call.flag("stdin")
                await self._pods.run(socket, namespace, name, call.all("command"), tty=tty, stdin=stdin)

        return Answer(websocket=(chosen, converse))


def _to_data(secret: Object) -> None:
    """Put what `stringData` says into `data`, as every API server does."""
    for key, value in (secret.pop("stringData", None) or {}).items():
        secret.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()


def _kind(plural: str) -> Kind:
    return BY_PATH["", plural]


def _selector(call: Call) -> Any:
    """A call's selectors as a predicate of objects: `fieldSelector=metadata.name=X`, and label selectors by equality."""
    fields = _pairs(call.first("fieldSelector"))
    labels = _pairs(call.first("labelSelector"))

    def wanted(found: Object) -> bool:
        metadata = found["metadata"]
        named = fields.get("metadata.name", metadata["name"]) == metadata["name"]
        return named and all(metadata.get("labels", {}).get(key) == value for key, value in labels.items())

    return wanted


def _pairs(selector: str | None) -> dict[str, str]:
    terms = (term.partition("=") for term in (selector or "").split(","))
    return {key: value.lstrip("=") for key, equals, value in terms if equals}


def _json(document: Any, status: int = 200) -> Answer:
    return Answer(status, schema.dump(document))


def _status(code: int, reason: str, message: str, details: Object | None = None) -> Answer:
    document = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return _json({**document, "message": message, "reason": reason, "details": details or {}, "code": code}, code)
