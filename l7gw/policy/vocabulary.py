"""Words that people use for verbs and resources, and the words of policy: for hints, and for `policy explain`."""

from __future__ import annotations

# Exec, attach, port-forward and proxy are verbs, whatever the method (threats D5): kubectl's exec is a GET or a POST.
CONNECTS = ("exec", "attach", "portforward", "proxy")
METHODS = ("head", "post", "put", "options")  # verbs of calls on paths that are no resources
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", *CONNECTS, *METHODS)
# kubectl's word -> verb of the policy, and the subresource that it works on
KUBECTL = {
    "logs": ("get", "log"),
    "log": ("get", "log"),
    "exec": ("exec", "exec"),
    "cp": ("exec", "exec"),
    "attach": ("attach", "attach"),
    "port-forward": ("portforward", "portforward"),
    "portforward": ("portforward", "portforward"),
    "proxy": ("proxy", "proxy"),
    "debug": ("patch", "ephemeralcontainers"),
    "scale": ("patch", "scale"),
    "evict": ("create", "eviction"),
    "drain": ("create", "eviction"),
    "apply": ("patch", ""),
    "edit": ("patch", ""),
    "label": ("patch", ""),
    "annotate": ("patch", ""),
    "replace": ("update", ""),
    "describe": ("get", ""),
    "run": ("create", ""),
    "restart": ("patch", ""),
}

# Kubernetes' own resources: plural -> (group, other names). `deployments` alone would be of the core group, which has none.
_KNOWN = """
pods: pod po
services: service svc
configmaps: configmap cm
secrets: secret
nodes: node no
namespaces: namespace ns
events: event ev
endpoints: endpoint ep
persistentvolumes: persistentvolume pv
persistentvolumeclaims: persistentvolumeclaim pvc
serviceaccounts: serviceaccount sa
replicationcontrollers: replicationcontroller rc
resourcequotas: resourcequota quota
limitranges: limitrange limits
podtemplates: podtemplate
componentstatuses: componentstatus cs
bindings: binding
deployments.apps: deployment deploy
daemonsets.apps: daemonset ds
statefulsets.apps: statefulset sts
replicasets.apps: replicaset rs
controllerrevisions.apps: controllerrevision
jobs.batch: job
cronjobs.batch: cronjob cj
horizontalpodautoscalers.autoscaling: horizontalpodautoscaler hpa
ingresses.networking.k8s.io: ingress ing
ingressclasses.networking.k8s.io: ingressclass
networkpolicies.networking.k8s.io: networkpolicy netpol
poddisruptionbudgets.policy: poddisruptionbudget pdb
roles.rbac.authorization.k8s.io: role
rolebindings.rbac.authorization.k8s.io: rolebinding
clusterroles.rbac.authorization.k8s.io: clusterrole
clusterrolebindings.rbac.authorization.k8s.io: clusterrolebinding
storageclasses.storage.k8s.io: storageclass sc
volumeattachments.storage.k8s.io: volumeattachment
csidrivers.storage.k8s.io: csidriver
csinodes.storage.k8s.io: csinode
leases.coordination.k8s.io: lease
endpointslices.discovery.k8s.io: endpointslice
priorityclasses.scheduling.k8s.io: priorityclass pc
runtimeclasses.node.k8s.io: runtimeclass
certificatesigningrequests.certificates.k8s.io: certificatesigningrequest csr
customresourcedefinitions.apiextensions.k8s.io: customresourcedefinition crd crds
apiservices.apiregistration.k8s.io: apiservice
mutatingwebhookconfigurations.admissionregistration.k8s.io: mutatingwebhookconfiguration
validatingwebhookconfigurations.admissionregistration.k8s.io: validatingwebhookconfiguration
validatingadmissionpolicies.admissionregistration.k8s.io: validatingadmissionpolicy
validatingadmissionpolicybindings.admissionregistration.k8s.io: validatingadmissionpolicybinding
selfsubjectaccessreviews.authorization.k8s.io: selfsubjectaccessreview
selfsubjectrulesreviews.authorization.k8s.io: selfsubjectrulesreview
subjectaccessreviews.authorization.k8s.io: subjectaccessreview
selfsubjectreviews.authentication.k8s.io: selfsubjectreview
tokenreviews.authentication.k8s.io: tokenreview
"""


def _spellings() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _KNOWN.strip().split("\n"):
        full, _, others = line.partition(":")
        for other in (full.partition(".")[0], *others.split()):
            found[other] = full
    return found


# any name that kubectl takes -> as policy spells it
SPELLINGS = _spellings()


def meant(resource: str) -> str:
    """How policy spells the resource that this word means; "" where the word is policy's spelling, or may be.

    `deploy` and `deployments` mean `deployments.apps`, `pod/exec` means `pods/exec`.
    """
    base, slash, sub = resource.partition("/")
    full = SPELLINGS.get(base, base)
    return "" if full == base else full + slash + sub
