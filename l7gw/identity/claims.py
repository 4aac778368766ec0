"""What the claims of a proven credential say: who it is, in which groups, of which kind; and which texts may be names.

Claims that Kubernetes reads are read as in its `plugin/pkg/authenticator/token/oidc/oidc.go`.
"""

from __future__ import annotations

import json
import logging
import re
from functools import lru_cache
from typing import Any, NamedTuple

from l7gw import name_rules
from l7gw.config.settings import Kind, KindRule, OidcIssuer
from l7gw.errors import Refusal
from l7gw.identity.principal import Principal

log = logging.getLogger(__name__)

LONGEST_NAME = 256  # bytes in UTF-8; no longer name is sent to a cluster (cluster/impersonation.py), and OIDC bounds `sub` at 255
MOST_GROUPS = 1000  # groups of one credential, unfit and repeated ones included; Entra sends at most 200, Keycloak all
MOST_CLAIMS_TOLD = 30  # names of a token's claims that a line of the log has
_CLAIM = re.compile(r"[A-Za-z0-9_:./-]{1,60}")
MOST_TOLD = 3  # unfit groups of one credential that a line of the log names

_MISSING: set[tuple[str, str]] = set()  # issuers with their claim of groups, of which was told that a token lacked it

MOST_BOUNDED_FIRST: tuple[Kind, ...] = ("agent", "workload", "human")


class Groups(NamedTuple):
    """Groups with their prefix, in their order, each once.

    `fit` are the groups that are names. `unfit` are the spellings (`name_rules.spellings`) of the groups that are no names. These
    allow nothing, and no cluster is told of them. A deny looks at them, or a trailing space would be a way around a guardrail.
    """

    fit: tuple[str, ...]
    unfit: tuple[str, ...]


def refused(message: str) -> Refusal:
    return Refusal(401, "Unauthorized", message)


def claim_at(claims: dict[str, Any], path: str) -> Any:
    """The claim of exactly this name; else the member that the names between the dots lead to (`realm_access.roles`); else None."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for member in path.split("."):
        if not isinstance(found, dict) or member not in found:
            return None
        found = found[member]
    return found


def told(value: object) -> str:
    """A proven claim's value for a message: a text is quoted, with at most 80 characters; a
    list or an object is only named as one."""
    if isinstance(value, str):
        return name_rules.quoted(value)
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return name_rules.quoted(json.dumps(value))[1:-1]


def claim_names(claims: dict[str, Any]) -> str:
    """The names of a token's claims, for the log; what does not look like the name of a claim is left out."""
    return ", ".join(sorted(one for one in claims if _CLAIM.fullmatch(one))[:MOST_CLAIMS_TOLD])


def name(value: object, what: str) -> str:
    """`value`, if it may be the name of a user or an actor. Raises Refusal 401, which quotes the value, so the value must be
    proven. `what` names the claim in the refusal."""
    if not isinstance(value, str):
        raise refused(f"{what} is no text: {told(value)}")
    if fault := name_rules.fault(value):
        raise refused(f"{what} {fault}: {told(value)}")
    if len(value.encode()) > LONGEST_NAME:
        raise refused(f"{what} has more than {LONGEST_NAME} bytes: {told(value)}")
    return value


def groups_of(values: list[object], prefix: str, what: str) -> Groups:
    """The groups that a proven credential names. `null` is an empty name, as in the API server.

    Raises Refusal for more than MOST_GROUPS, and for a value that is no text. Commas and `system:` are allowed here:
    `cluster/impersonation.py` judges them (threats D16).
    """
    if len(values) > MOST_GROUPS:
        raise refused(f"{what} has {len(values)} groups, more than {MOST_GROUPS}")
    fit: dict[str, None] = {}
    unfit: dict[str, None] = {}
    left_out: list[tuple[str, str]] = []
    for number, value in enumerate(values, 1):
        group = "" if value is None else value
        if not isinstance(group, str):
            raise refused(f"group {number} in {what} is no text: {told(group)}")
        fault = name_rules.fault(group) or ("" if group.isascii() else name_rules.fault(prefix + group))
        if not fault:
            fit[prefix + group] = None
            continue
        unfit.update(dict.fromkeys([prefix + spelling for spelling in name_rules.spellings(group)]))
        left_out.append((group, fault))
    if left_out:
        which = "; ".join(f"{told(group)} {fault}" for group, fault in left_out[:MOST_TOLD])
        _tell(what, which, len(left_out) - MOST_TOLD)
    return Groups(tuple(fit), tuple(unfit))


@lru_cache(maxsize=1024)  # so that each group is logged once
def _tell(what: str, which: str, more: int) -> None:
    others = f"; and {more} more" if more > 0 else ""
    log.warning("groups in %s are left out, what denies them still does: %s%s", what, which, others)


# ---------------------------------------------------------------------- whom a token names


def prove(claims: dict[str, Any], entry: OidcIssuer, expires: float) -> Principal:
    """Who a token names whose signature is good. Raises Refusal 401 for a claim that is missing or cannot be used."""
    for wanted, value in entry.require.items():
        said = claim_at(claims, wanted)
        if value not in (_texts(said) or ()):
            raise refused(f"the token's claim {wanted} is not what this gateway requires: {_said(said)}")
    user = _user(claims, entry)
    groups = _groups(claims, entry)
    actor = _actor(claims)
    kind = kind_of(entry.kind, claims)
    if actor and kind == "human":
        kind = "agent"  # an actor is not the person for whom it acts, and guardrails look at the kind
    return Principal(user, groups=groups.fit, kind=kind, issuer=entry.issuer, actor=actor, expires=expires, unfit=groups.unfit)


def _said(value: object) -> str:
    return "it is missing" if value is None else f"it is {told(value)}"


def _user(claims: dict[str, Any], entry: OidcIssuer) -> str:
    found = claim_at(claims, entry.username)
    if found is None:
        hint = "`username` of the issuer's entry must name a claim of its tokens, such as sub"
        raise refused(f"the token has no claim {entry.username}, which names the user; hint: {hint}")
    if entry.username == "email":  # oidc.go: the claim must be true where it stands
        verified = claims.get("email_verified", True if entry.email_verified == "if-present" else None)
        if verified is not True:
            hint = "; hint: `email-verified: if-present` takes it, if the issuer verifies every email" if verified is None else ""
            raise refused(f"the token's email is not verified (claim email_verified): {_said(verified)}{hint}")
    return name(entry.prefix + name(found, f"the token's claim {entry.username}"), "the user with its prefix")


def kind_of(rule: KindRule, claims: dict[str, Any]) -> Kind:
    """The kind that a rule gives these claims: human, agent or workload.

    Where a claim decides, a missing, empty or malformed claim makes an agent, the most restricted kind. A value
    that stands in no list of the rule makes a human, or an agent where the rule lists the humans. Several values
    make the most restricted of their kinds.
    """
    if rule.claim is None:
        return rule.fixed or "agent"
    said = _texts(claim_at(claims, rule.claim))
    if not said or "" in said:
        return "agent"
    for kind in MOST_BOUNDED_FIRST:
        if any(one in rule.values.get(kind, ()) for one in said):
            return kind
    return "agent" if "human" in rule.values else "human"


def _groups(claims: dict[str, Any], entry: OidcIssuer) -> Groups:
    claim = entry.groups
    if not claim:
        return Groups(fit=(), unfit=())
    value = claim_at(claims, claim)
    # OpenID Connect Core 5.6.2; Entra's "overage": beyond 200 groups it names none, and beyond 5 in tokens of the implicit flow
    elsewhere = claims.get("_claim_names")
    moved = isinstance(elsewhere, dict) and (claim in elsewhere or claim.partition(".")[0] in elsewhere)
    if moved or (value is None and claims.get("hasgroups") is True):
        raise refused(f"the token's claim {claim} is kept elsewhere; hint: let the issuer send only groups of this application")
    if value is None:
        _tell_missing(entry.issuer, claim, claims)
        return Groups(fit=(), unfit=())
    if not isinstance(value, str | list):
        raise refused(f"the token's claim {claim} is neither a text nor a list: it is {told(value)}")
    return groups_of(value if isinstance(value, list) else [value], entry.prefix, f"the token's claim {claim}")


def _tell_missing(issuer: str, claim: str, claims: dict[str, Any]) -> None:
    """Log once for each issuer and claim that a good token has no such claim: its caller has no groups, as if he were in none."""
    if (issuer, claim) in _MISSING:
        return
    _MISSING.add((issuer, claim))
    words = "a token of %s has no claim %s, so that its caller has no groups; `groups` of its entry must name one of its claims: %s"
    log.warning(words, issuer, claim, claim_names(claims))


def _actor(claims: dict[str, Any]) -> str:
    """Who acts for the user, "" for nobody. The outermost `act` is the actor; nested ones acted earlier (RFC 8693 section 4.1)."""
    if "act" not in claims:
        return ""
    act = claims["act"]
    if not isinstance(act, dict) or "sub" not in act:
        raise refused("the token's claim act is no object with a sub")
    return name(act["sub"], "the token's claim act.sub")


def _texts(claim: object) -> list[str] | None:
    """A claim as texts, to compare with the configuration; true and false become `true` and
    `false`. None where it holds anything else."""
    if isinstance(claim, list):
        parts = [_texts(one) for one in claim if not isinstance(one, list)]
        return None if len(parts) < len(claim) or None in parts else [text for part in parts if part for text in part]
    if isinstance(claim, bool):
        return ["true" if claim else "false"]
    return [claim] if isinstance(claim, str) else None
