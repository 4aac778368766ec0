"""What the API server makes anew each time that it takes the same write. It says nothing about the write, so two dry runs are
compared without it.

Nothing that somebody chose is left out, or a caller could hide it from a reviewer under such a name: what the body of the call
says, and what stood before, stays. Two things are written by kubectl itself, and stay as a word for themselves, so that they are
never no change: `restartedAt`, where any time but the one that stood there is the same, and the name of a new container of `kubectl
debug`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from l7gw.kube.act import Act
from l7gw.kube.builtin import BUILT_IN

ANEW = "(the time of the call)"  # stands for a time that the client writes anew in each call
# Fields of every object's metadata -> who makes them
METADATA: Final[dict[str, str]] = {
    "uid": "AS pkg/registry/rest/meta.go",
    "creationTimestamp": "AS pkg/registry/rest/meta.go",
    "generation": "KK pkg/registry/apps/deployment/strategy.go, and each other strategy",
    "resourceVersion": "AS pkg/storage/etcd3/store.go",
    "managedFields": "AM pkg/util/managedfields/internal/buildmanagerinfo.go: with the time of the call",
    "selfLink": "AS pkg/endpoints/handlers/response.go; empty since 1.20",
}
# Labels that a Job's template and selector get (KK pkg/registry/batch/job/strategy.go: generateSelector), and the Job itself from
# its template where it has none (KK pkg/apis/batch/v1/defaults.go)
OF_JOB_UID = ("controller-uid", "batch.kubernetes.io/controller-uid")
OF_JOB_NAME = ("job-name", "batch.kubernetes.io/job-name")
# The token's volume (KK plugin/pkg/admission/serviceaccount/admission.go)
TOKEN_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}")
# The name that `kubectl debug` gives a container where the user gives none: another one each time (KC pkg/cmd/debug/debug.go, its
# letters AM pkg/util/rand/rand.go)
DEBUGGER = re.compile("debugger-[bcdfghjklmnpqrstvwxz2456789]{5}")
INVENTED = "(a name that kubectl makes anew)"
# KC pkg/polymorphichelpers/objectrestarter.go
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)")
RESTARTED = "kubectl.kubernetes.io/restartedAt"
# Each way to write a number in JSON: of a strategic merge patch the API server takes 30080.0 for a port
# (AM pkg/runtime/converter.go)
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
# KK pkg/registry/core/service/storage/alloc.go: what is left empty is given from the ranges of the cluster
SERVICE_ADDRESSES = ("clusterIP", "clusterIPs", "healthCheckNodePort")


def without_made_anew(
    act: Act, found: dict[str, Any], *, before: dict[str, Any] | None = None, sent: bytes | None = b"", named: bool = True
) -> dict[str, Any]:
    """An object without what the server makes anew. `found` is not changed.

    `before` is the object as it stands, None for a new one. `sent` is the body of the call as JSON; None where it may choose values
    that it does not name, as a JSON patch that copies does. `named` is false where the server makes the name out of `generateName`.
    """
    chosen = _Chosen(sent)
    result = dict(found)
    metadata = {name: value for name, value in _dict(found.get("metadata")).items() if name not in METADATA}
    if not named:
        metadata.pop("name", None)
    _restarted(metadata, _dict(_dict(before).get("metadata")))
    result["metadata"] = metadata
    if not act.subresource and before is not None and "status" in (BUILT_IN.get((act.group, act.resource)) or ()):
        result.pop("status", None)  # an update of the object itself sets none (AS pkg/registry/rest/update.go, by each strategy)
    spec, former = _dict(found.get("spec")), _dict(_dict(before).get("spec"))
    match act.group, act.resource:
        case "", "pods" if "spec" in found:
            result["spec"] = _pod(spec, former, chosen)
        case "", "services" if not act.subresource and "spec" in found:
            result["spec"] = _service(spec, former, chosen)
        case "batch", "jobs" if "spec" in found and before is None:  # later nobody makes them: who takes them away chose to
            gone = OF_JOB_UID if named else (*OF_JOB_UID, *OF_JOB_NAME)
            result["spec"] = _job(spec, gone, chosen)
            if "labels" in metadata:
                metadata["labels"] = _without(metadata["labels"], gone, chosen)
        case _:
            pass
    if "template" in _dict(result.get("spec")):
        template = _template(_dict(result["spec"]["template"]), _dict(former.get("template")))
        result["spec"] = {**result["spec"], "template": template}
    return result


class _Chosen:
    """What the body of a call says."""

    def __init__(self, sent: bytes | None) -> None:
        self._sent = sent
        self._numbers: frozenset[float] | None = None  # those of the body, once one is asked for

    def __call__(self, value: Any) -> bool:
        """Whether the body names a text or a number, or one of a list of them."""
        if self._sent is None:
            return True
        if isinstance(value, list):
            return any(self(one) for one in value)
        if isinstance(value, int):
            if self._numbers is None:
                self._numbers = frozenset(map(float, _NUMBER.findall(self._sent)))
            return float(value) in self._numbers
        return f'"{value}"'.encode() in self._sent


def _template(template: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    metadata = dict(_dict(template.get("metadata")))
    _restarted(metadata, _dict(before.get("metadata")))
    return {**template, "metadata": metadata}


def _restarted(metadata: dict[str, Any], before: dict[str, Any]) -> None:
    """Drop the time of a restart, unless it is that of a former one: then nothing is restarted by it."""
    annotations = _dict(metadata.get("annotations"))
    time = str(annotations.get(RESTARTED, ""))
    if _TIME.fullmatch(time) and time != _dict(before.get("annotations")).get(RESTARTED):
        metadata["annotations"] = {**annotations, RESTARTED: ANEW}


def _pod(spec: dict[str, Any], before: dict[str, Any], chosen: _Chosen) -> dict[str, Any]:
    """A pod's spec without the volume of its token, and its mounts."""
    volumes = [_dict(one).get("name") for one in _list(spec.get("volumes"))]
    stood = {_dict(one).get("name") for one in _list(before.get("volumes"))}
    gone = {
        name
        for name in volumes
        if isinstance(name, str) and TOKEN_VOLUME.fullmatch(name) is not None and name not in stood and not chosen(name)
    }
    result = dict(spec)
    if "volumes" in spec:
        result["volumes"] = _unnamed(spec["volumes"], gone)
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        if kind in spec:
            result[kind] = [_container(each, gone) for each in _list(spec[kind])]
    if "ephemeralContainers" in spec:
        known = {_dict(one).get("name") for one in _list(before.get("ephemeralContainers"))}
        result["ephemeralContainers"] = [_invented(each, known) for each in result["ephemeralContainers"]]
    return result


def _invented(container: Any, known: set[Any]) -> Any:
    """A container of `kubectl debug`, without the name that it was given now."""
    name = _dict(container).get("name")
    if isinstance(name, str) and name not in known and DEBUGGER.fullmatch(name) is not None:
        return {**container, "name": INVENTED}
    return container


def _container(container: Any, gone: set[str]) -> Any:
    if isinstance(container, dict) and "volumeMounts" in container:
        return {**container, "volumeMounts": _unnamed(container["volumeMounts"], gone)}
    return container


def _unnamed(named: Any, gone: set[str]) -> list[Any]:
    return [one for one in _list(named) if _dict(one).get("name") not in gone]


def _service(spec: dict[str, Any], before: dict[str, Any], chosen: _Chosen) -> dict[str, Any]:
    """A service's spec without the addresses and ports that were given out now."""
    result = dict(spec)
    for name in SERVICE_ADDRESSES:
        if name in spec and name not in before and not chosen(spec[name]):
            del result[name]
    if "ports" in spec:
        stood = {_port(port) for port in _list(before.get("ports")) if "nodePort" in _dict(port)}
        result["ports"] = [_given(port, stood, chosen) for port in _list(spec["ports"])]
    return result


def _given(port: Any, stood: set[str], chosen: _Chosen) -> Any:
    """A port without its node port, where that was given out now."""
    number = _dict(port).get("nodePort")
    if number is None or _port(port) in stood or chosen(number):
        return port
    return {name: value for name, value in port.items() if name != "nodePort"}


def _port(port: Any) -> str:
    """What tells a port of a service from the others."""
    return str([_dict(port).get(name) for name in ("name", "port", "protocol")])


def _job(spec: dict[str, Any], gone: tuple[str, ...], chosen: _Chosen) -> dict[str, Any]:
    """A job's spec without the labels that hold its uid, and those of a name that is made."""
    result = dict(spec)
    selector = _dict(spec.get("selector"))
    if "matchLabels" in selector:
        result["selector"] = {**selector, "matchLabels": _without(selector["matchLabels"], gone, chosen)}
    template = _dict(spec.get("template"))
    metadata = _dict(template.get("metadata"))
    if "labels" in metadata:
        result["template"] = {**template, "metadata": {**metadata, "labels": _without(metadata["labels"], gone, chosen)}}
    return result


def _without(labels: Any, gone: tuple[str, ...], chosen: _Chosen) -> dict[str, Any]:
    return {name: value for name, value in _dict(labels).items() if name not in gone or chosen(value)}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
