"""What AWS is asked about the ways round the gateway to one cluster of EKS. Each question is one step. Those behind one that failed
are asked all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from shlex import quote
from typing import Any
from urllib.parse import urlsplit

from l7gw.aws.client import Keys, client
from l7gw.aws.client import session as boto_session
from l7gw.aws.failures import Asked
from l7gw.aws.policies import Account
from l7gw.cluster import ways_round
from l7gw.cluster.api_server import ApiServer
from l7gw.cluster.eks_tried import failure_of
from l7gw.cluster.trial import Failure, Found, Trial
from l7gw.cluster.ways_round import Unreadable, Way, is_one
from l7gw.config.aws_settings import AwsRole
from l7gw.config.settings import Cluster
from l7gw.quantities import many
from l7gw.timeouts import USUAL_TIMEOUTS, Timeouts

ACTION = "eks:AccessKubernetesApi"
AWS_AUTH = "/api/v1/namespaces/kube-system/configmaps/aws-auth"
AT_ONCE = 8  # calls about access entries; EKS takes some dozens a second of an account
KINDS = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"]
MOST_ENTRIES = 10_000  # access entries; EKS takes 1,000 or so, and each is asked for by two calls
MOST_PAGES = 2_000  # answers of IAM about an account; one has up to 1,000 things

NOT_SEEN = (
    "tokens of service accounts: whoever has one reaches the cluster with it (l7gw audit reconcile shows who did)",
    "who may assume the roles that are named here: their trust policies are not read",
    "who may make a way: eks:CreateAccessEntry, eks:AssociateAccessPolicy, eks:UpdateClusterConfig, iam:*, and the account's root",
    "SCPs and RCPs of the organisation, permission boundaries and session policies: they only take away",
)


class Questions:
    """Asks with the keys of the gateway's role session; or, with a profile, with the credentials of that."""

    def __init__(self, cluster: Cluster, keys: Keys | None, profile: str = "", timeouts: Timeouts = USUAL_TIMEOUTS) -> None:
        assert cluster.eks is not None
        self._name, self._eks, self._profile, self._timeouts = cluster.name, cluster.eks, profile, timeouts
        self._own = cluster.credential.role if isinstance(cluster.credential, AwsRole) else ""
        self._keys = None if profile else keys
        self._session: Any = None  # of boto3
        self._at: Any = None  # the client of EKS
        self._own_policies: list[tuple[str, str]] = []  # of the gateway's own role: the entry's ARN, and that of an access policy

    def ways(self, trial: Trial, server: ApiServer | None) -> list[Way]:
        """Every way that can be seen. `server` is the cluster itself, None where it could not be reached."""
        found: list[Way] = []
        described = trial.step("public endpoint", self._endpoint)
        if described is None:
            for name in ("access entries", "aws-auth", "identity providers", "IAM"):
                trial.not_asked(name, "DescribeCluster failed")
            return found
        found += ways_round.of_endpoint(described)
        found += ways_round.of_mode(described)
        for name, ask in (
            ("access entries", partial(self._entries, described)),
            ("aws-auth", partial(self._aws_auth, described, server)),
            ("identity providers", partial(self._providers, described)),
            ("IAM", partial(self._iam, described)),
        ):
            more: list[Way] | None = trial.step(name, ask)
            found += more or ()
        return found

    def _asked(self, step: str, ask: Callable[[], Any], at: str = "") -> Any:
        """What a call of boto3's gives. `at` is the URL that is asked, where it is another than that of EKS. Raises Failure."""
        host = urlsplit(at or self._eks.endpoint_url).netloc
        try:
            return ask()
        except Exception as error:
            asked = Asked(step=step, region=self._eks.region, eks=self._eks.name, host=host, profile=self._profile)
            raise failure_of(error, asked, ends=False) from None

    def _pages(self, step: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        """The things in all answers of an operation of EKS that comes in pages."""
        pages = self._at.get_paginator(operation).paginate(**parameters)
        answers = self._asked(step, lambda: list(pages))
        yield from (one for answer in answers for one in answer.get(key) or ())

    def _open(self) -> None:
        self._session = boto_session(self._profile)
        self._at = client(
            self._session,
            "eks",
            self._eks.region,
            keys=self._keys,
            endpoint_url=self._eks.endpoint_url,
            certificate_authority=self._eks.certificate_authority,
            timeouts=self._timeouts,
        )

    def _endpoint(self) -> Found[dict[str, Any]]:
        self._asked("credentials", self._open)
        answer = self._asked("DescribeCluster", lambda: self._at.describe_cluster(name=self._eks.name))
        described: dict[str, Any] = answer.get("cluster") or {}
        words = f"{ways_round.endpoint_in_words(described)}; mode {ways_round.mode_of(described)}"
        return Found(described, words)

    def _entries(self, described: dict[str, Any]) -> Found[list[Way]]:
        if ways_round.mode_of(described) == "CONFIG_MAP":
            return Found([], "there are none: the mode is CONFIG_MAP")
        name = self._eks.name
        arns = list(self._pages("ListAccessEntries", "list_access_entries", "accessEntries", clusterName=name))
        if len(arns) > MOST_ENTRIES:
            raise Failure(f"there are {len(arns)}, more than this asks for", ends=False)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            ways = list(threads.map(partial(self._entry, described), arns))
        return Found(ways, *self._own_entry(ways))

    def _entry(self, described: dict[str, Any], arn: str) -> Way:
        named = {"clusterName": self._eks.name, "principalArn": arn}
        entry = self._asked("DescribeAccessEntry", lambda: self._at.describe_access_entry(**named)).get("accessEntry") or {}
        step, operation = "ListAssociatedAccessPolicies", "list_associated_access_policies"
        policies = list(self._pages(step, operation, "associatedAccessPolicies", **named))
        if self._own and is_one(arn, self._own):
            self._own_policies = [(arn, str(policy.get("policyArn", ""))) for policy in policies]
        return ways_round.of_entry(described, entry, policies)

    def _own_entry(self, ways: list[Way]) -> tuple[str, str]:
        """What is said of the entries; and what to do where that of the gateway's own role gives more than groups."""
        count = many(len(ways), "access entry", "access entries", none="no")
        if self._own_policies:
            names = ", ".join(arn.rpartition("/")[2] for _, arn in self._own_policies)
            what = f"{count}; the gateway's own role has {names}: whoever steals its credential has that, beside what RBAC gives it"
            remedy = "; ".join(
                f"aws eks disassociate-access-policy --cluster-name {self._eks.name} --region {self._eks.region} "
                f"--principal-arn {quote(entry)} --policy-arn {quote(policy)}"
                for entry, policy in self._own_policies
            )
            return what, f"{remedy}; l7gw rbac render gives what is needed"
        return count, ""

    def _aws_auth(self, described: dict[str, Any], server: ApiServer | None) -> Found[list[Way]]:
        if ways_round.mode_of(described) == "API":
            return Found([], "it is not read: the mode is API")
        if server is None:
            raise Failure("the cluster could not be reached", "see above", ends=False)
        answer = server.ask("GET", AWS_AUTH)
        if answer.status == 404:
            return Found([], "there is none")
        if answer.status != 200:
            rbac = f"l7gw rbac render {self._name} --ways-round | kubectl apply -f -"
            raise Failure(f"the cluster does not show it: {answer.said}", rbac if answer.status == 403 else "", ends=False)
        data = answer.at("data")
        try:
            partition = str(described.get("arn", "")).split(":")[1:2]
            ways = list(ways_round.of_aws_auth(data if isinstance(data, dict) else {}, *partition))
        except Unreadable as error:
            raise Failure(
                f"it cannot be read: {error}", "kubectl get -n kube-system configmap/aws-auth -o yaml", ends=False
            ) from None
        return Found(ways, many(len(ways), "line", "lines", none="no"))

    def _providers(self, described: dict[str, Any]) -> Found[list[Way]]:
        name = self._eks.name
        listed = self._pages(
            "ListIdentityProviderConfigs", "list_identity_provider_configs", "identityProviderConfigs", clusterName=name
        )
        ways = []
        for one in list(listed):
            answer = self._asked(
                "DescribeIdentityProviderConfig",
                lambda config=one: self._at.describe_identity_provider_config(clusterName=name, identityProviderConfig=config),  # type: ignore[misc]
            )
            provider = (answer.get("identityProviderConfig") or {}).get("oidc") or {}
            ways.append(ways_round.of_provider(described, provider))
        return Found(ways, many(len(ways), "provider of tokens", "providers of tokens", none="no"))

    def _iam(self, described: dict[str, Any]) -> Found[list[Way]]:
        iam = client(self._session, "iam", self._eks.region, keys=self._keys, timeouts=self._timeouts)
        pages = iam.get_paginator("get_account_authorization_details").paginate(Filter=KINDS)
        account = Account()

        def read() -> None:
            for number, page in enumerate(pages):
                if number >= MOST_PAGES:
                    raise ValueError("more answers than this asks for")
                account.add(page)

        self._asked("GetAccountAuthorizationDetails", read, at=iam.meta.endpoint_url)
        ways = [ways_round.of_allowed(one) for one in account.who_may(ACTION, str(described.get("arn", "")))]
        return Found(ways, f"{many(len(ways), 'role or user', 'roles and users', none='no')} may {ACTION}")
