"""Which kind of object a URL takes in the body of a request (threats D12).

The kind of a resource is as discovery of 1.36 says, with every API enabled. A kind of Kubernetes' own that the URL does not take is
refused: the API server refuses it too, but for strategic merge patches, whose kind it never reads
(AS pkg/endpoints/handlers/patch.go). A body without a kind passes, as kube-apiserver takes one for its own resources. So does a
kind that is not in the table, as of custom resources and of newer releases: kube-apiserver decides about those.
"""

from __future__ import annotations

from l7gw.errors import Refusal
from l7gw.kube.act import Act
from l7gw.kube.objects.node import Node

# a resource as policy spells it, a colon, and its kind
_TABLE = """
bindings:Binding componentstatuses:ComponentStatus configmaps:ConfigMap endpoints:Endpoints events:Event limitranges:LimitRange
namespaces:Namespace nodes:Node persistentvolumeclaims:PersistentVolumeClaim persistentvolumes:PersistentVolume pods:Pod
podtemplates:PodTemplate replicationcontrollers:ReplicationController resourcequotas:ResourceQuota secrets:Secret
serviceaccounts:ServiceAccount services:Service
mutatingadmissionpolicies.admissionregistration.k8s.io:MutatingAdmissionPolicy
mutatingadmissionpolicybindings.admissionregistration.k8s.io:MutatingAdmissionPolicyBinding
mutatingwebhookconfigurations.admissionregistration.k8s.io:MutatingWebhookConfiguration
validatingadmissionpolicies.admissionregistration.k8s.io:ValidatingAdmissionPolicy
validatingadmissionpolicybindings.admissionregistration.k8s.io:ValidatingAdmissionPolicyBinding
validatingwebhookconfigurations.admissionregistration.k8s.io:ValidatingWebhookConfiguration
customresourcedefinitions.apiextensions.k8s.io:CustomResourceDefinition apiservices.apiregistration.k8s.io:APIService
controllerrevisions.apps:ControllerRevision daemonsets.apps:DaemonSet deployments.apps:Deployment replicasets.apps:ReplicaSet
statefulsets.apps:StatefulSet
selfsubjectreviews.authentication.k8s.io:SelfSubjectReview tokenreviews.authentication.k8s.io:TokenReview
localsubjectaccessreviews.authorization.k8s.io:LocalSubjectAccessReview
selfsubjectaccessreviews.authorization.k8s.io:SelfSubjectAccessReview
selfsubjectrulesreviews.authorization.k8s.io:SelfSubjectRulesReview subjectaccessreviews.authorization.k8s.io:SubjectAccessReview
horizontalpodautoscalers.autoscaling:HorizontalPodAutoscaler cronjobs.batch:CronJob jobs.batch:Job
certificatesigningrequests.certificates.k8s.io:CertificateSigningRequest
clustertrustbundles.certificates.k8s.io:ClusterTrustBundle podcertificaterequests.certificates.k8s.io:PodCertificateRequest
leasecandidates.coordination.k8s.io:LeaseCandidate leases.coordination.k8s.io:Lease endpointslices.discovery.k8s.io:EndpointSlice
events.events.k8s.io:Event flowschemas.flowcontrol.apiserver.k8s.io:FlowSchema
prioritylevelconfigurations.flowcontrol.apiserver.k8s.io:PriorityLevelConfiguration
storageversions.internal.apiserver.k8s.io:StorageVersion
ingressclasses.networking.k8s.io:IngressClass ingresses.networking.k8s.io:Ingress ipaddresses.networking.k8s.io:IPAddress
networkpolicies.networking.k8s.io:NetworkPolicy servicecidrs.networking.k8s.io:ServiceCIDR
runtimeclasses.node.k8s.io:RuntimeClass poddisruptionbudgets.policy:PodDisruptionBudget
clusterrolebindings.rbac.authorization.k8s.io:ClusterRoleBinding clusterroles.rbac.authorization.k8s.io:ClusterRole
rolebindings.rbac.authorization.k8s.io:RoleBinding roles.rbac.authorization.k8s.io:Role
deviceclasses.resource.k8s.io:DeviceClass devicetaintrules.resource.k8s.io:DeviceTaintRule
resourceclaims.resource.k8s.io:ResourceClaim resourceclaimtemplates.resource.k8s.io:ResourceClaimTemplate
resourcepoolstatusrequests.resource.k8s.io:ResourcePoolStatusRequest resourceslices.resource.k8s.io:ResourceSlice
podgroups.scheduling.k8s.io:PodGroup priorityclasses.scheduling.k8s.io:PriorityClass workloads.scheduling.k8s.io:Workload
csidrivers.storage.k8s.io:CSIDriver csinodes.storage.k8s.io:CSINode csistoragecapacities.storage.k8s.io:CSIStorageCapacity
storageclasses.storage.k8s.io:StorageClass volumeattachments.storage.k8s.io:VolumeAttachment
volumeattributesclasses.storage.k8s.io:VolumeAttributesClass
storageversionmigrations.storagemigration.k8s.io:StorageVersionMigration
"""


def _read(table: str) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for line in table.split():
        resource, _, kind = line.partition(":")
        plural, _, group = resource.partition(".")
        found[group, plural] = kind
    return found


KINDS = _read(_TABLE)  # (group, plural) -> kind; the core group is ""

# (group, resource, subresource) -> (group, kind), where that is another than the resource's own
SUBRESOURCE_KINDS = {
    ("", "pods", "binding"): ("", "Binding"),
    ("", "pods", "eviction"): ("policy", "Eviction"),
    ("", "serviceaccounts", "token"): ("authentication.k8s.io", "TokenRequest"),
}
SCALE = ("autoscaling", "Scale")  # of every `scale`, of custom resources too
DELETE_OPTIONS = "DeleteOptions"  # in whatever group (AS pkg/endpoints/handlers/delete.go)
# These are asked by their query, or hand their body on to somebody else.
UNREAD = frozenset(("attach", "exec", "log", "portforward", "proxy"))

_NOWHERE = ("List", "PartialObjectMetadata", "PartialObjectMetadataList", "Status", "Table", "WatchEvent", DELETE_OPTIONS)
_OWN = frozenset(
    {(group, kind) for (group, _), kind in KINDS.items()}
    | {(group, f"{kind}List") for (group, _), kind in KINDS.items()}
    | {(group, kind) for group in ("", "meta.k8s.io") for kind in _NOWHERE}
    | set(SUBRESOURCE_KINDS.values())
    | {SCALE}
)


def taken(act: Act) -> tuple[str, str] | None:
    """The API group and kind that the URL takes; None where the table does not say. The group is "" for DeleteOptions, whose group
    does not count."""
    if act.verb in ("delete", "deletecollection"):
        return "", DELETE_OPTIONS
    if act.subresource == "scale":
        return SCALE
    if (special := SUBRESOURCE_KINDS.get((act.group, act.resource, act.subresource))) is not None:
        return special
    kind = KINDS.get((act.group, act.resource))
    return (act.group, kind) if kind is not None else None


def check_kind(act: Act, api_version: str, kind: str) -> None:
    """Raise Refusal 400 for a kind of Kubernetes' own that the act's URL cannot take. "" stands for what the body does not say."""
    if not kind or not act.is_resource or act.subresource in UNREAD:
        return
    expected = taken(act)
    group = api_version.rpartition("/")[0]
    if expected is None:
        refused = bool(api_version) and (group, kind) in _OWN
    elif act.verb in ("delete", "deletecollection"):
        refused = kind != DELETE_OPTIONS and any((each, kind) in _OWN for each in (group, act.group))
    elif api_version:
        refused = (group, kind) != expected and (group, kind) in _OWN
    else:  # kube-apiserver takes the group from the URL then
        refused = kind != expected[1] and any((each, kind) in _OWN for each in ("", act.group, expected[0]))
    if refused:
        said = f"{kind} ({api_version})" if api_version else kind
        takes = f"; it takes {expected[1]}" if expected else ""
        raise Refusal(400, "BadRequest", f"the body is of the kind {said}, which this URL does not take{takes}")


def in_other_letters(name: str) -> bool:
    """Whether the name of a member is `kind` or `apiVersion`, but for upper and lower case."""
    return name not in ("kind", "apiVersion") and name.casefold() in ("kind", "apiversion")


def check_body(act: Act, body: Node) -> None:
    """Raise Refusal 400 for a body whose kind the act's URL cannot take, or whose kind kube-apiserver could read otherwise: it
    finds `kind` and `apiVersion` in whatever letters, and takes the last (AM pkg/runtime/serializer/json/meta.go).
    Raises Unreadable."""
    if not act.is_resource or act.subresource in UNREAD:
        return
    if any(in_other_letters(name) for name, _ in body.members()):
        raise Refusal(400, "BadRequest", "the body has a member that is `kind` or `apiVersion` in other letters; write it so")
    api_version, kind = (body.member(name) for name in ("apiVersion", "kind"))
    check_kind(act, (api_version.text() if api_version else "") or "", (kind.text() if kind else "") or "")
