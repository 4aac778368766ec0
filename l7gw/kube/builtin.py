"""Every resource that Kubernetes itself serves, with its subresources, as discovery of 1.36 lists them with every API enabled.

A resource that is not in the table may be a custom or an aggregated one, or belong to a newer release. But a subresource that the
table lacks for its resource does not exist, nor does a resource that it lacks in the core group, which nobody can extend.
"""

from __future__ import annotations

# a resource as policy spells it, a colon, and its subresources
_TABLE = """
bindings:
componentstatuses:
configmaps:
endpoints:
events:
limitranges:
namespaces: finalize status
nodes: proxy status
persistentvolumeclaims: status
persistentvolumes: status
pods: attach binding ephemeralcontainers eviction exec log portforward proxy resize status
podtemplates:
replicationcontrollers: scale status
resourcequotas: status
secrets:
serviceaccounts: token
services: proxy status
mutatingadmissionpolicies.admissionregistration.k8s.io:
mutatingadmissionpolicybindings.admissionregistration.k8s.io:
mutatingwebhookconfigurations.admissionregistration.k8s.io:
validatingadmissionpolicies.admissionregistration.k8s.io: status
validatingadmissionpolicybindings.admissionregistration.k8s.io:
validatingwebhookconfigurations.admissionregistration.k8s.io:
customresourcedefinitions.apiextensions.k8s.io: status
apiservices.apiregistration.k8s.io: status
controllerrevisions.apps:
daemonsets.apps: status
deployments.apps: scale status
replicasets.apps: scale status
statefulsets.apps: scale status
selfsubjectreviews.authentication.k8s.io:
tokenreviews.authentication.k8s.io:
localsubjectaccessreviews.authorization.k8s.io:
selfsubjectaccessreviews.authorization.k8s.io:
selfsubjectrulesreviews.authorization.k8s.io:
subjectaccessreviews.authorization.k8s.io:
horizontalpodautoscalers.autoscaling: status
cronjobs.batch: status
jobs.batch: status
certificatesigningrequests.certificates.k8s.io: approval status
clustertrustbundles.certificates.k8s.io:
podcertificaterequests.certificates.k8s.io: status
leasecandidates.coordination.k8s.io:
leases.coordination.k8s.io:
endpointslices.discovery.k8s.io:
events.events.k8s.io:
flowschemas.flowcontrol.apiserver.k8s.io: status
prioritylevelconfigurations.flowcontrol.apiserver.k8s.io: status
storageversions.internal.apiserver.k8s.io: status
ingressclasses.networking.k8s.io:
ingresses.networking.k8s.io: status
ipaddresses.networking.k8s.io:
networkpolicies.networking.k8s.io:
servicecidrs.networking.k8s.io: status
runtimeclasses.node.k8s.io:
poddisruptionbudgets.policy: status
clusterrolebindings.rbac.authorization.k8s.io:
clusterroles.rbac.authorization.k8s.io:
rolebindings.rbac.authorization.k8s.io:
roles.rbac.authorization.k8s.io:
deviceclasses.resource.k8s.io:
devicetaintrules.resource.k8s.io: status
resourceclaims.resource.k8s.io: status
resourceclaimtemplates.resource.k8s.io:
resourcepoolstatusrequests.resource.k8s.io: status
resourceslices.resource.k8s.io:
podgroups.scheduling.k8s.io: status
priorityclasses.scheduling.k8s.io:
workloads.scheduling.k8s.io:
csidrivers.storage.k8s.io:
csinodes.storage.k8s.io:
csistoragecapacities.storage.k8s.io:
storageclasses.storage.k8s.io:
volumeattachments.storage.k8s.io: status
volumeattributesclasses.storage.k8s.io:
storageversionmigrations.storagemigration.k8s.io: status
"""


def _read(table: str) -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for line in table.split():
        if line.endswith(":"):
            plural, _, group = line[:-1].partition(".")
            found[group, plural] = ()
        else:
            found[group, plural] = (*found[group, plural], line)
    return found


# (group, plural) -> subresources; the core group is ""
BUILT_IN = _read(_TABLE)
GROUPS = frozenset(group for group, _ in BUILT_IN)
SUBRESOURCES = frozenset(sub for subs in BUILT_IN.values() for sub in subs)

# Resources whose objects are in no namespace: those that policies name, and all
CLUSTER_SCOPED = frozenset(
    (
        *("nodes", "namespaces", "persistentvolumes", "componentstatuses", "ingressclasses", "clusterroles"),
        *("clusterrolebindings", "storageclasses", "volumeattachments", "csidrivers", "csinodes", "priorityclasses"),
        *("runtimeclasses", "certificatesigningrequests", "customresourcedefinitions", "apiservices"),
        *("mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicies"),
        *("validatingadmissionpolicybindings", "selfsubjectaccessreviews", "selfsubjectrulesreviews"),
        *("subjectaccessreviews", "selfsubjectreviews", "tokenreviews"),
    )
)
EVERYWHERE = CLUSTER_SCOPED | {
    *("flowschemas", "prioritylevelconfigurations", "storageversions", "clustertrustbundles", "servicecidrs", "ipaddresses"),
    *("deviceclasses", "devicetaintrules", "resourceslices", "volumeattributesclasses", "storageversionmigrations"),
    *("mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "resourcepoolstatusrequests"),
}


def plurals_of(group: str) -> tuple[str, ...]:
    """The plural names of the resources of one API group."""
    return tuple(plural for of_group, plural in BUILT_IN if of_group == group)


def is_in_namespaces(group: str, plural: str) -> bool:
    """Whether it is a resource of Kubernetes' own whose objects are in namespaces; of others nobody knows."""
    return (group, plural) in BUILT_IN and plural not in EVERYWHERE
