"""What is masked of pods and of whatever holds a template of pods: values of environment variables whose names say that they are
secrets. Of a ConfigMap: values whose keys say so, and credentials in a kubeconfig."""

from __future__ import annotations

import re
from collections.abc import Iterator

from l7gw.kube.objects.node import Node
from l7gw.masking.objects.hiding import Cut, Hiding
from l7gw.masking.objects.object_kinds import members_of
from l7gw.masking.objects.secret_names import SHORTEST, may_be_secret, may_say_secret, says_secret

ENV = "env"
CONFIG_MAP = "config-map"

_LISTS = ("containers", "initContainers", "ephemeralContainers")
_POD = ("spec",)
_TEMPLATE = ("spec", "template", "spec")
# Where the spec of the pod stands in objects of these kinds
POD_SPECS: dict[str, tuple[str, ...]] = {
    "Pod": _POD,
    "Deployment": _TEMPLATE,
    "ReplicaSet": _TEMPLATE,
    "DaemonSet": _TEMPLATE,
    "StatefulSet": _TEMPLATE,
    "ReplicationController": _TEMPLATE,
    "Job": _TEMPLATE,
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "PodTemplate": ("template", "spec"),
    "EphemeralContainers": (),  # what pods/ephemeralcontainers took before 1.22
}

# Members of a kubeconfig that hold a credential
CREDENTIALS = frozenset("token password client-key-data id-token refresh-token access-token client-secret".split())
# Lines of a kubeconfig that hold a credential, in YAML or JSON (client-go tools/clientcmd/api/v1)
_KUBECONFIG = re.compile(r"""\bkind["']?\s*:\s*["']?Config\b""")
_CREDENTIAL = re.compile(
    rf"""(?<![\w-])["']?(?:{"|".join(sorted(CREDENTIALS))})["']?\s*:[ \t]*"""
    r"""(?:"(?P<double>[^"\n]+)"|'(?P<single>[^'\n]+)'|(?P<plain>[^\s"',}\]|>&*!][^\s"',}\]]*)|"""
    r"""[|>][-+0-9]*[ \t]*\r?\n[ \t]+(?P<block>[^\s:]+(?:\r?\n[ \t]+[^\s:]+(?=\r?\n|$))*))"""
)


def mask_pod_spec(spec: Node, hiding: Hiding) -> None:
    """Mask the environment of all containers of a pod."""
    for name in _LISTS:
        if (containers := spec.member(name)) is not None:
            for container in containers.items():
                if (env := container.member("env")) is not None:
                    mask_env(env, hiding)


def mask_env(env: Node, hiding: Hiding) -> None:
    """Mask the values of a list of environment variables whose names say that they are secrets."""
    if not hiding.sent and not may_say_secret(env.render("recorded")):
        return  # a microsecond instead of three for each variable
    for variable in env.items():
        name = variable.member("name")
        # A JSON patch may bring the value of a variable without its name. The answer shows it where the name says nothing.
        if not (says_secret(name.text() or "") if name is not None else hiding.sent):
            continue
        value = variable.member("value")
        text = value.text() if value is not None else None
        if value is not None and text and may_be_secret(text):
            hiding.hide(value, ENV)


def mask_config_map(config_map: Node, hiding: Hiding) -> None:
    """Mask what the keys of a ConfigMap say, and the credentials in a kubeconfig."""
    for field in ("data", "binaryData"):
        if (values := config_map.member(field)) is None:
            continue
        for key, value in values.members():
            mask_config_value(key, value, hiding, encoded=field == "binaryData")


def mask_config_value(key: str, node: Node, hiding: Hiding, *, encoded: bool = False) -> None:
    """Mask one value of a ConfigMap, by its key."""
    if encoded:
        if says_secret(key) and len(node.octets() or b"") >= SHORTEST:
            hiding.hide_octets(node, CONFIG_MAP)
        return
    text = node.text()
    if not text or node.edited:
        return
    if says_secret(key) and may_be_secret(text):
        hiding.hide(node, CONFIG_MAP)
    else:
        mask_kubeconfig(node, text, hiding)


def mask_kubeconfig(node: Node, text: str, hiding: Hiding) -> None:
    """Mask the credentials in a text that is a kubeconfig; do nothing to any other text."""
    if "Config" in text and _KUBECONFIG.search(text) is not None and (cuts := list(_credentials(text))):
        hiding.cut(node, text, cuts)


def mask_config(config: Node, hiding: Hiding) -> None:
    """Mask the credentials of a kubeconfig that is an object."""
    users = config.member("users")
    for user in users.items() if users is not None else ():
        for name, value in members_of(user, "user"):
            if name in CREDENTIALS:
                hiding.hide(value, CONFIG_MAP)
            elif name == "auth-provider":
                for key, setting in members_of(value, "config"):
                    if key in CREDENTIALS:
                        hiding.hide(setting, CONFIG_MAP)


def _credentials(text: str) -> Iterator[Cut]:
    for match in _CREDENTIAL.finditer(text):
        group = match.lastgroup or "plain"
        yield Cut(start=match.start(group), end=match.end(group), detector=CONFIG_MAP)
