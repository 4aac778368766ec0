"""Masking by structure: of an object of a known kind, the values that are secrets by their place.

A rule is kept where the object's own kind or the resource of the URL asks for it: either suffices, so that a cluster that leaves
out a kind, or names another, shows nothing (threats E5). Copies count too: the manifest inside an annotation, or inside a value
of a ConfigMap, is an object of its own and stays valid JSON with its keys (threats E4).
"""

from __future__ import annotations

from l7gw.kube.objects.node import Node, Unreadable
from l7gw.masking.objects.hiding import Hiding
from l7gw.masking.objects.object_kinds import Unit, members_of, text_of, units
from l7gw.masking.objects.pod_objects import POD_SPECS, mask_config, mask_config_map, mask_env, mask_kubeconfig, mask_pod_spec
from l7gw.masking.objects.secret_names import says_secret
from l7gw.masking.objects.secret_objects import (
    SECRET_DATA,
    mask_helm_config_map,
    mask_secret,
    mask_token_request,
    mask_token_review,
)
from l7gw.masking.objects.statuses import mask_status
from l7gw.masking.objects.user_fields import mask_fields
from l7gw.masking.objects.yaml_manifests import may_hold_secret, secret_values
from l7gw.steps import spent

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MOST_DOCUMENTS = 4  # levels of JSON inside a text inside JSON; a Secret that was applied has two
DEEPEST_ANSWER = 400  # levels of nesting in an answer that are looked into; the OpenAPI schema of a resource has about 60

# One of these stands in the bytes of any object in which the rules for all kinds find something
HINTS = (b'"Secret', b'\\"Secret', b'\\"ConfigMap', b"\\u00")
ENV_HINTS = (b'"env"', b'env\\"')  # of kinds that the table does not have
_TEXT_HINTS = ('"env"', '"Secret', '"ConfigMap', "\\u00", '\\"')

# The API groups whose kinds of POD_SPECS are Kubernetes' own
_BUILT_IN = frozenset(("", "apps", "batch", "extensions"))


def mask_structure(unit: Unit, hiding: Hiding) -> None:
    """Mask one unit. The namespace of `hiding` is set to that of the unit. Raises Unreadable where it is nested too deep."""
    spent()
    hiding.namespace = unit.namespace
    node = unit.node
    if not unit.apart and not _is_known(unit):
        raw = node.render("recorded")
        if any(hint in raw for hint in HINTS + ENV_HINTS):
            _mask_tree(node, unit, hiding, 0)
    _mask_unit(unit, hiding, 0)


def _mask_unit(unit: Unit, hiding: Hiding, level: int) -> None:
    for kind in sorted(unit.kinds, key=lambda kind: kind != "Secret"):  # what one masked, the next leaves alone
        _by_kind(kind, unit, hiding, level)
    if hiding.fields:
        mask_fields(unit.node, unit.kinds, unit.group, hiding.fields, hiding)
    annotations = unit.node.at("metadata", "annotations")
    if annotations is not None:
        for name, annotation in annotations.members():
            spent()
            _mask_text(annotation, unit, hiding, level, must_be_read=name == LAST_APPLIED)


def _is_known(unit: Unit) -> bool:
    """Whether the table says where such an object holds secrets, so that nobody has to look for them everywhere in it."""
    if unit.group is not None and unit.group not in _BUILT_IN:
        return False
    return any(kind in POD_SPECS or kind in ("Secret", "ConfigMap", "Status") for kind in unit.kinds)


def _by_kind(kind: str, unit: Unit, hiding: Hiding, level: int) -> None:
    node = unit.node
    if kind == "Secret":
        mask_secret(node, hiding)
    elif kind == "ConfigMap":
        if not mask_helm_config_map(node, hiding):
            for key, value in members_of(node, "data"):
                spent()
                if not says_secret(key) and (value.text() or "").lstrip()[:1] in ("{", "["):
                    _mask_text(value, unit, hiding, level)  # before its lines are looked at: a kubeconfig has environments, too
            mask_config_map(node, hiding)
            for _, value in members_of(node, "data"):
                _mask_text(value, unit, hiding, level)
    elif kind in POD_SPECS:
        if (spec := node.at(*POD_SPECS[kind])) is not None:
            mask_pod_spec(spec, hiding)
    elif kind == "ControllerRevision":
        if (data := _revision(node)) is not None:
            _mask_tree(data, unit, hiding, level)
    elif kind == "TokenRequest":
        mask_token_request(node, hiding)
    elif kind == "TokenReview":
        mask_token_review(node, hiding)
    elif kind == "Config":
        mask_config(node, hiding)
    elif kind == "Status":
        mask_status(node, unit.kinds, hiding)


def _revision(node: Node) -> Node | None:
    """What a ControllerRevision keeps: an object, which protobuf has as JSON in a field of bytes (AM pkg/runtime/types.go)."""
    data = node.member("data")
    if data is None or data.shape != "object":
        return data.document() if data is not None else None
    raw = data.member("raw")
    return raw.document() if raw is not None and raw.shape == "octets" else data


def _mask_text(node: Node, unit: Unit, hiding: Hiding, level: int, *, must_be_read: bool = False) -> None:
    """Mask what a text holds that is a manifest in JSON, a list of them, or a kubeconfig. With `must_be_read` the text has to be a
    manifest; where it is none, that of a Secret is masked whole."""
    text = node.text()
    if not text or node.edited:
        return
    secret = "Secret" in unit.kinds
    if text.lstrip()[:1] in ("{", "[") and (secret or hiding.fields or any(hint in text for hint in _TEXT_HINTS)):
        document = node.document() if level < MOST_DOCUMENTS else None
        if document is not None:
            # The kind around counts for the manifest too: it is a copy, and may lack its own
            for inner in units(document, "Secret" if secret else "", unit.namespace, listed=unit.kinds[0]):
                inner = Unit(node=inner.node, kinds=inner.kinds, namespace=unit.namespace, group=inner.group, apart=inner.apart)
                # Without a kind of its own it may be anything, an application's settings too
                if not inner.apart and (inner.node.member("kind") is None or not _is_known(inner)):
                    _mask_tree(inner.node, inner, hiding, level + 1)
                _mask_unit(inner, hiding, level + 1)
            return
    if must_be_read and secret:
        hiding.hide(node, SECRET_DATA)
    elif may_hold_secret(text):
        if cuts := secret_values(text, SECRET_DATA):
            hiding.cut(node, text, cuts)
    else:
        mask_kubeconfig(node, text, hiding)


def _mask_tree(root: Node, unit: Unit, hiding: Hiding, level: int) -> None:
    """Mask what is a secret in any object, wherever it stands: an environment, a whole Secret, a text that is a manifest."""
    waiting = [(root, 0)]
    while waiting:
        spent()
        node, depth = waiting.pop()
        if depth > DEEPEST_ANSWER:
            raise Unreadable("it is nested too deep")
        if node.shape == "list":
            waiting += ((item, depth + 1) for item in node.items())
        elif node.shape == "object":
            members = node.members()
            if depth and text_of(node.member("kind")) == "Secret":
                mask_secret(node, hiding)
            if (env := node.member("env")) is not None:
                mask_env(env, hiding)
            waiting += ((member, depth + 1) for _, member in members)
        elif depth:
            _mask_text(node, unit, hiding, level)
