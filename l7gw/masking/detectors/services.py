"""Tokens of services that begin with a text of their own. Nothing else begins so, so they are found in what a caller sends too."""

from __future__ import annotations

from collections.abc import Callable

from l7gw.masking.detectors import values
from l7gw.masking.detectors.detector import LONGEST, START, Detector, Shape


def token(
    pattern: str,
    *,
    longest: int = LONGEST,
    notice: str = "",
    opens: str = "",
    opening: str = "",
    keeps: Callable[[bytes], bool] | None = None,
) -> Shape:
    """The shape of a token, all of which is the value."""
    early = not opens
    return Shape(rf"{START}(?P<value>{pattern})", longest, notice, opens, opening, early, keeps)


# A stream waits for the mark at the end of an Azure key when so much of one is there; it would wait at every word otherwise.
_RUN = r"[A-Za-z0-9+/_-]{16}"
_OPENING = r"([A-Za-z0-9+/_-]{16,}={0,2})"

SERVICES = (
    Detector(
        name="aws-access-key-id",
        finds="AWS access key ids, long-lived and temporary ones",
        anchor="AKIA, ASIA, ABIA, ACCA",
        reason="It names the account, and is half of what signs a request; the unique ids AROA and AIDA are no credentials.",
        shapes=(token(r"A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}\b"), token(r"ABSK[A-Za-z0-9+/]{109,269}={0,2}")),
        fixed=True,
        ns_per_byte=0.05,
    ),
    Detector(
        name="aws-session-token",
        finds="AWS session tokens, and the tokens by which EKS knows its users",
        anchor="IQoJb3JpZ2lu, FwoGZXIvYXdz, k8s-aws-v1.",
        reason="STS begins its tokens so, as base64 of its own words; a token of EKS is a signed URL that is good for 15 minutes.",
        shapes=(
            token(r"(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)[A-Za-z0-9+/%]{80,}={0,2}", longest=4096),
            token(r"k8s-aws-v1\.[A-Za-z0-9_-]{80,}", longest=4096),
        ),
        fixed=True,
        ns_per_byte=0.16,
    ),
    Detector(
        name="gcp-token",
        finds="Google API keys, OAuth secrets, access and refresh tokens",
        anchor="AIza, GOCSPX-, ya29., 1//0",
        reason="Google's own prefixes.",
        shapes=(
            token(r"AIza[A-Za-z0-9_-]{35}\b"),
            token(r"GOCSPX-[A-Za-z0-9_-]{28}"),
            token(r"ya29\.[A-Za-z0-9_-]{30,}(?:\.[A-Za-z0-9_-]+)?", longest=2048),
            token(r"1//0[A-Za-z0-9_-]{40,120}", keeps=values.mixed),
        ),
        fixed=True,
        ns_per_byte=0.19,
    ),
    Detector(
        name="azure-key",
        finds="Azure keys that hold a mark of their own, secrets of applications, DevOps tokens",
        anchor="the mark near the end: +ASt, ACDb, APIM, +AEh, AzFu, AZDO, Q~ and others",
        reason="Azure puts a mark with a checksum into its keys, so that they can be recognised anywhere.",
        shapes=(
            Shape(
                r"[A-Za-z0-9+/]{76}(?:APIM|ACDb|\+ABa|\+AMC|\+ASt)[A-Za-z0-9+/]{5}[AQgw]==",
                notice=r"(?:APIM|ACDb|\+ABa|\+AMC|\+ASt)[A-Za-z0-9+/]{5}[AQgw]==",
                opens=_RUN,
                opening=_OPENING,
                early=False,
            ),
            Shape(
                r"[A-Za-z0-9+/]{33}(?:AIoT|\+ASb|\+AEh|\+ARm)[A-Za-z0-9+/]{5}[AQgw]=",
                notice=r"(?:AIoT|\+ASb|\+AEh|\+ARm)[A-Za-z0-9+/]{5}[AQgw]=",
                opens=_RUN,
                opening=_OPENING,
                early=False,
            ),
            token(
                r"[A-Za-z0-9_-]{44}AzFu[A-Za-z0-9_-]{5}[AQgw]==",
                notice=r"AzFu[A-Za-z0-9_-]{5}[AQgw]==",
                opens=_RUN,
                opening=_OPENING,
            ),
            token(r"[A-Za-z0-9]{42}AzSe[A-D][A-Za-z0-9]{5}\b", notice=r"AzSe[A-D][A-Za-z0-9]{5}", opens=_RUN, opening=_OPENING),
            token(r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b", notice=r"AZDO[A-Za-z0-9]{4}", opens=_RUN, opening=_OPENING),
            token(
                r"[A-Za-z0-9_.~-]{3}[0-9]Q~[A-Za-z0-9_.~-]{31,34}",
                notice=r"[0-9]Q~[A-Za-z0-9_.~-]{8}",
                opens=r"[0-9]Q~",
            ),
        ),
        fixed=True,
        ns_per_byte=0.08,
    ),
    Detector(
        name="github-token",
        finds="GitHub tokens: personal (both kinds), OAuth, of users, servers and refresh",
        anchor="ghp_, gho_, ghu_, ghs_, ghr_, github_pat_",
        reason="GitHub's own prefixes.",
        shapes=(
            token(r"gh[pour]_[A-Za-z0-9]{36,255}"),
            token(r"ghs_[A-Za-z0-9]{36}[A-Za-z0-9_.-]{0,900}", longest=1024),
            token(r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
        ),
        fixed=True,
        ns_per_byte=0.12,
    ),
    Detector(
        name="gitlab-token",
        finds="GitLab tokens: personal, project, deploy, runner, CI, feed, agent, trigger",
        anchor="glpat-, gldt-, glrt-, glcbt-, glptt-, glft-, glagent-, gloas-, glsoat-, glimt-, glffct-, glwt-, GR1348941",
        reason="GitLab's own prefixes.",
        shapes=(
            token(
                r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|agent|oas|soat|imt|ffct|wt)-[A-Za-z0-9_-]{20,300}(?:\.[a-z0-9]{2}\.[a-z0-9]{7,9})?"
            ),
            token(r"GR1348941[A-Za-z0-9_-]{20}"),
        ),
        fixed=True,
        ns_per_byte=0.23,
    ),
    Detector(
        name="slack-token",
        finds="Slack tokens and webhooks",
        anchor="xoxb-, xoxp-, xoxa-, xoxr-, xoxs-, xoxe, xoxc-, xoxd-, xapp-, hooks.slack.com",
        reason="Slack's own prefixes; of a webhook the part that lets one post.",
        shapes=(
            token(r"xox[abcdeoprs](?:\.xox[bp])?-[A-Za-z0-9%-]{10,250}", keeps=values.is_opaque),
            token(r"xapp-[0-9]-[A-Z0-9]{8,16}-[0-9]{8,16}-[a-f0-9]{32,128}"),
            Shape(
                r"hooks\.slack(?:-gov)?\.com(?:\\?/)(?:services|workflows|triggers)(?:\\?/)(?P<value>[A-Za-z0-9_/\\-]{24,120})",
                notice=r"hooks\.slack(?:-gov)?\.com",
            ),
        ),
        fixed=True,
        ns_per_byte=0.22,
    ),
    Detector(
        name="stripe-key",
        finds="Stripe keys, secret and restricted, and secrets of webhooks",
        anchor="sk_live_, sk_test_, rk_live_, rk_test_, whsec_",
        reason="Stripe's own prefixes; publishable keys (pk_) are public.",
        shapes=(
            token(r"[rs]k_(?:live|test|prod)_[A-Za-z0-9]{16,247}"),
            token(r"whsec_[A-Za-z0-9+/]{32,128}={0,2}", keeps=values.mixed),
        ),
        fixed=True,
        ns_per_byte=0.14,
    ),
    Detector(
        name="openai-key",
        finds="OpenAI keys",
        anchor="sk-proj-, sk-svcacct-, sk-admin-, sk- with T3BlbkFJ",
        reason="OpenAI's own prefixes, and the mark within older keys.",
        shapes=(
            token(r"sk-(?:proj|svcacct|admin|service|None)-[A-Za-z0-9_-]{40,250}"),
            token(r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}\b"),
            token(r"sk-[A-Za-z0-9]{48}\b", keeps=values.mixed),
        ),
        fixed=True,
        ns_per_byte=0.21,
    ),
    Detector(
        name="anthropic-key",
        finds="Anthropic keys",
        anchor="sk-ant-",
        reason="Anthropic's own prefix.",
        shapes=(token(r"sk-ant-[a-z]{3,8}[0-9]{2}-[A-Za-z0-9_-]{20,250}"),),
        fixed=True,
        ns_per_byte=0.10,
    ),
    Detector(
        name="npm-token",
        finds="npm tokens",
        anchor="npm_",
        reason="npm's own prefix. Older tokens in a .npmrc are found by `secret-key`.",
        shapes=(token(r"npm_[A-Za-z0-9]{36}\b"),),
        fixed=True,
        ns_per_byte=0.10,
    ),
    Detector(
        name="pypi-token",
        finds="PyPI tokens",
        anchor="pypi-AgE",
        reason="PyPI's prefix, and the first bytes of the macaroon behind it.",
        shapes=(token(r"pypi-AgE[A-Za-z0-9_-]{50,1000}", longest=1024),),
        fixed=True,
        ns_per_byte=0.10,
    ),
    Detector(
        name="docker-token",
        finds="Docker Hub tokens",
        anchor="dckr_pat_, dckr_oat_",
        reason="Docker's own prefixes. Logins within a config.json are found by `basic-auth`.",
        shapes=(token(r"dckr_[po]at_[A-Za-z0-9_-]{27,40}"),),
        fixed=True,
        ns_per_byte=0.12,
    ),
    Detector(
        name="huggingface-token",
        finds="Hugging Face tokens",
        anchor="hf_, api_org_",
        reason="Hugging Face's own prefixes, and a length that identifiers in code do not have.",
        shapes=(token(r"hf_[A-Za-z0-9]{34,40}\b", keeps=values.both_cases), token(r"api_org_[A-Za-z0-9]{34}\b")),
        fixed=True,
        ns_per_byte=0.12,
    ),
    Detector(
        name="vault-token",
        finds="Vault tokens: service, batch and recovery",
        anchor="hvs., hvb., hvr.",
        reason="Vault's own prefixes since 1.10. Older tokens (s.…) are found by a name such as VAULT_TOKEN before them.",
        shapes=(token(r"hv[sbr]\.[A-Za-z0-9_-]{24,400}"),),
        fixed=True,
        ns_per_byte=0.08,
    ),
    Detector(
        name="jwt",
        finds="JSON Web Tokens: Kubernetes service accounts, OIDC, encrypted ones too",
        anchor="eyJ (base64 of the beginning of a JSON object), twice with a dot between, or four dots",
        reason="A bearer of it is the account. The first part must be base64 of a header with `alg` or `enc`.",
        shapes=(
            token(
                r"e(?:yJ|yA|wo|w0)[A-Za-z0-9_-]{10,}\.e(?:yJ|yA|wo|w0)[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*",
                longest=16384,
                notice=r"e(?:yJ|yA|wo|w0)[A-Za-z0-9_-]{10,}\.e(?:yJ|yA|wo|w0)[A-Za-z0-9_-]{10}",
                keeps=values.is_jwt,
            ),
            token(
                r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{8,64}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{20,}",
                longest=16384,
                notice=r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{8,64}\.",
                keeps=values.is_jwt,
            ),
        ),
        fixed=True,
        ns_per_byte=0.17,
    ),
)
