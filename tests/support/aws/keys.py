"""Who exists at the stand-in for AWS: access keys, and the principals that they belong to."""

from __future__ import annotations

import secrets
import string
import threading
from dataclasses import dataclass, field

ACCOUNT = "111122223333"
LETTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class Keys:
    """An access key as AWS gives it out, and whom it proves."""

    access_key: str
    secret: str = field(repr=False)
    token: str = field(repr=False)  # the session token; "" for the lasting key of a user
    arn: str  # of the caller, as GetCallerIdentity says it
    user_id: str  # AIDA…, or AROA…:SESSION for a session of a role
    expires: float = float("inf")  # wall seconds
    role: str = ""  # the IAM ARN of the role; "" for a user
    source_identity: str = ""

    @property
    def partition(self) -> str:
        return self.arn.split(":")[1]

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which every AWS SDK takes this key."""
        lasting = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret}
        return {**lasting, "AWS_SESSION_TOKEN": self.token} if self.token else lasting

    @property
    def canaries(self) -> list[str]:
        """What must stand in no log, record, metric and error."""
        return [text for text in (self.secret, self.token) if text]


class KeyRing:
    """Every key that the stand-in knows. Threads may use it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, Keys] = {}
        self._roles: dict[str, str] = {}  # ARN of a role -> its unique id

    def find(self, access_key: str) -> Keys | None:
        return self._keys.get(access_key)

    def all(self) -> list[Keys]:
        with self._lock:
            return list(self._keys.values())

    def revoke(self, keys: Keys) -> None:
        """AWS knows the key no longer."""
        del self._keys[keys.access_key]

    def user(self, name: str = "gateway", account: str = ACCOUNT, partition: str = "aws") -> Keys:
        """A lasting key of an IAM user. `name` may begin with a path, as in `team/ann`."""
        arn = f"arn:{partition}:iam::{account}:user/{name}"
        return self._add(Keys(_id("AKIA"), _secret(), "", arn, _id("AIDA")))

    def session(self, role: str, name: str, expires: float, source_identity: str = "") -> Keys:
        """A key of a session of a role. `role` is the role's IAM ARN, `name` the session's name."""
        _, partition, _, _, account, resource = role.split(":", 5)
        arn = f"arn:{partition}:sts::{account}:assumed-role/{resource.rsplit('/', 1)[1]}/{name}"
        with self._lock:
            unique = self._roles.setdefault(role, _id("AROA"))
        token = "IQoJb3JpZ2luX2Vj" + secrets.token_urlsafe(300) + "/+=="  # AWS's are base64, and the query must quote them
        return self._add(Keys(_id("ASIA"), _secret(), token, arn, f"{unique}:{name}", expires, role, source_identity))

    def _add(self, keys: Keys) -> Keys:
        with self._lock:
            self._keys[keys.access_key] = keys
        return keys


def _id(prefix: str) -> str:
    return prefix + "".join(secrets.choice(LETTERS) for _ in range(16))


def _secret() -> str:
    return secrets.token_urlsafe(30)
