"""STS as the stand-in for AWS answers it: GetCallerIdentity, AssumeRole, AssumeRoleWithWebIdentity."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tests.support.aws.bodies import Refused, denied
from tests.support.aws.https_server import Asked
from tests.support.aws.keys import ACCOUNT, KeyRing, Keys
from tests.support.aws.roles import ALL_THREE, ONE_HOUR, Assumed, Role, Wish, judge


class Sts:
    """What STS knows. `now` is its clock, in wall seconds."""

    def __init__(self, ring: KeyRing, now: Callable[[], float]) -> None:
        self._ring = ring
        self._now = now
        self._lock = threading.Lock()
        self.roles: dict[str, Role] = {}  # by ARN
        self.assumed: list[Assumed] = []  # in order
        self.web_identities: dict[str, str] = {}  # a token of a web identity -> the role that it may assume

    def role(
        self,
        name: str,
        *,
        account: str = ACCOUNT,
        partition: str = "aws",
        allows: frozenset[str] = ALL_THREE,
        external_id: str = "",
        callers: tuple[str, ...] = ("*",),
        longest: int = ONE_HOUR,
    ) -> Role:
        """Make a role. `name` may begin with a path, as in `team/l7gw`."""
        role = Role(f"arn:{partition}:iam::{account}:role/{name}", allows, external_id, callers, longest)
        self.roles[role.arn] = role
        return role

    def session(self, role: Role | str, name: str, *, lasting: float = ONE_HOUR) -> Keys:
        """The keys of a role session that nobody asked for: those of a person who logged in elsewhere, or of a machine. `lasting`
        are seconds; fewer than none are of an ended session."""
        arn = role if isinstance(role, str) else role.arn
        return self._ring.session(arn, name, self._now() + lasting)

    def sessions(self, role: Role | None = None) -> list[str]:
        """The names of the assumed sessions, in order."""
        return [one.session_name for one in list(self.assumed) if role is None or one.role == role.arn]

    def answer(self, action: str, asked: Asked, caller: Keys | None) -> dict[str, object]:
        """The result of an action. `caller` is None for a request without a signature. Raises RefusedError."""
        if action == "AssumeRoleWithWebIdentity":
            return self._web(asked)
        assert caller is not None
        if action == "GetCallerIdentity":
            return {"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account}
        if action == "AssumeRole":
            return self._assume(asked, caller)
        raise Refused(400, "InvalidAction", f"Could not find operation {action} for version 2011-06-15").error()

    def _assume(self, asked: Asked, caller: Keys) -> dict[str, object]:
        wish = Wish.read(asked.parameters)
        judge(wish, self.roles.get(wish.role), caller)
        if caller.source_identity and wish.source_identity not in ("", caller.source_identity):
            raise denied(caller.arn, "sts:SetSourceIdentity", wish.role).error()  # a source identity is kept along a chain
        return self._give(wish, caller.arn, asked.host, wish.source_identity or caller.source_identity)

    def _web(self, asked: Asked) -> dict[str, object]:
        wish = Wish.read(asked.parameters)
        if self.web_identities.get(asked.parameters.get("WebIdentityToken", "")) != wish.role:
            raise Refused(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity").error()
        return {**self._give(wish, "", asked.host, ""), "Provider": "arn:aws:iam::111122223333:oidc-provider/stand-in"}

    def _give(self, wish: Wish, caller: str, host: str, source_identity: str) -> dict[str, object]:
        expires = int(self._now()) + wish.duration
        keys = self._ring.session(wish.role, wish.session_name, expires, source_identity)
        assumed = Assumed(
            role=wish.role,
            session_name=wish.session_name,
            source_identity=wish.source_identity,
            tags=wish.tags,
            transitive_tags=wish.transitive_tags,
            external_id=wish.external_id,
            policy_arns=wish.policy_arns,
            policy=wish.policy,
            duration=wish.duration,
            caller=caller,
            host=host,
            keys=keys,
        )
        with self._lock:
            self.assumed.append(assumed)
        told = {"SourceIdentity": source_identity} if source_identity else {}
        return {
            "Credentials": {
                "AccessKeyId": keys.access_key,
                "SecretAccessKey": keys.secret,
                "SessionToken": keys.token,
                "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires)),
            },
            "AssumedRoleUser": {"AssumedRoleId": keys.user_id, "Arn": keys.arn},
            "PackedPolicySize": len(wish.tags),
            **told,
        }
