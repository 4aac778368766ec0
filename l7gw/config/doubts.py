"""Doubts of l7gw.yaml: settings that are valid, and probably not meant. What depends on the policy too is doubted elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from l7gw.config.aws_settings import AwsIdentity
from l7gw.config.document import lasting
from l7gw.config.settings import DAY, OidcIssuer, Settings

MOST_NAMED = 8  # users of a doubt


def doubts(settings: Settings) -> Iterator[str]:
    """Each doubt as a sentence."""
    yield from of_reviews(settings)
    yield from of_identity(settings)
    if settings.store is not None and not settings.store.verified and not settings.store.near:
        yield "`store`: the server's certificate is not verified; add sslmode=verify-full, and sslrootcert=FILE"


def of_reviews(settings: Settings) -> Iterator[str]:
    """A sentence where Slack or the webhook name somebody as no issuer does: under that name he asks for nothing, so he could
    approve the calls that he makes under his own, and count twice."""
    known = {name for one in settings.people for name in (one.user, *one.also)}
    prefixes = tuple(one.prefix for one in settings.identity)
    strange = dict.fromkeys(one.user for one in settings.mapped if one.user not in known and not one.user.startswith(prefixes))
    if not strange:
        return
    named = ", ".join([*strange][:MOST_NAMED]) + (f" and {len(strange) - MOST_NAMED} more" if len(strange) > MOST_NAMED else "")
    yield (
        f"`reviews` maps to users whom no issuer of `identity` names: {named}; they could approve calls that they make under "
        "another name: write the user as a token names him, with its prefix, or put both names into `people`"
    )


def of_identity(settings: Settings) -> Iterator[str]:
    """Sentences about entries that are valid but probably not meant."""
    for entry in settings.identity:
        if isinstance(entry, OidcIssuer) and entry.longest_lifetime > DAY:
            yield f"tokens of {entry.issuer} may live {lasting(entry.longest_lifetime)}: a stolen one is good until it ends"
        if not isinstance(entry, AwsIdentity):
            continue
        if not any(cluster.aws_id for cluster in settings.clusters.values()):
            yield "`identity` takes tokens of EKS, and no cluster does: none has `eks` or `aws-cluster-id`"
        for line in entry.map:
            if line.user and "*" in line.arn:
                yield f"`map`: whoever {line.arn} names is the one user {line.user}: rules and records cannot tell them apart"
