"""The words of a kubectl command, with its flags told from its arguments (spf13/pflag's rules)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import msgspec

from l7gw.config.document import nearest, shown

LONGEST = 4096  # characters of a command; nobody tests a longer one
MOST_WORDS = 500

# Flags that take a value, of every command (`kubectl COMMAND --help`, 1.29 to 1.36); VALUED_OF has those of one command alone.
VALUED = frozenset(
    """
    namespace selector field-selector output container filename replicas current-replicas resource-version timeout grace-period
    patch patch-file type image image-pull-policy port target-port protocol name subresource context cluster kubeconfig server user
    token as as-group as-uid request-timeout sort-by tail since since-time limit-bytes max-log-requests pod-running-timeout address
    field-manager chunk-size label-columns template v to-revision revision min max cpu-percent cpu memory overrides override-type
    restart env labels annotations annotation requests limits serviceaccount from-literal from-file from-env-file cert key
    clusterrole role group verb resource resource-name tcp schedule class rule default-backend hard scopes value description
    preemption-policy
    duration audience raw for retries profile custom target copy-to set-image pod-selector skip-wait-for-delete-timeout
    certificate-authority client-certificate client-key tls-server-name cache-dir types session-affinity external-ip
    load-balancer-ip cluster-ip external-name docker-server docker-username docker-password docker-email min-available
    max-unavailable node-port non-resource-url aggregation-rule from kustomize
    accept-hosts accept-paths reject-methods reject-paths api-prefix keepalive unix-socket www www-prefix
    api-group api-version categories verbs namespaces output-directory as-user-extra username password kuberc
    bound-object-kind bound-object-name bound-object-uid clusterip concurrency detach-keys keys prune-allowlist
    log-flush-frequency profile-output vmodule load-restrictor mount network-name env helm-command helm-api-versions
    helm-kube-version
    """.split()
)
BOOLEAN = frozenset(
    """
    all-namespaces all stdin tty watch watch-only force now ignore-not-found wait server-side force-conflicts prune recursive
    show-labels show-managed-fields no-headers overwrite list local record save-config validate follow previous timestamps prefix
    all-containers all-pods ignore-errors quiet rm leave-stdin-open expose delete-emptydir-data delete-local-data ignore-daemonsets
    disable-eviction server-print show-kind show-events output-watch-events allow-missing-template-keys insecure-skip-tls-verify
    match-server-version warnings-as-errors interactive dry-run cascade no-preserve show-capacity sum containers
    use-protocol-buffers replace same-node share-processes keep-labels keep-annotations keep-liveness keep-readiness keep-startup
    keep-init-containers arguments-only attach append-hash command windows-line-endings client short disable-compression default
    help append-server-path cached namespaced create-annotation disable-filter edit global-default
    insecure-skip-tls-verify-backend openapi-patch output-patch privileged remove-extra-permissions remove-extra-subjects resolve
    show-secrets show-swap as-current-user enable-alpha-plugins enable-helm helm-debug network
    """.split()
)
_LETTERS = """
n namespace, l selector, o output, c container, f filename, p patch, v v, s server, L label-columns, k kustomize, e env, r requests,
A all-namespaces, i stdin, t tty, w watch, R recursive, q quiet, h help
"""
SHORT = dict(pair.split() for pair in _LETTERS.split(","))
# command -> what some letters mean there
SHORT_OF = {
    "logs": {"f": "follow", "p": "previous"},
    "log": {"f": "follow", "p": "previous"},
    "delete": {"i": "interactive"},
    "run": {"l": "labels"},
    "expose": {"l": "labels"},
    "create": {"r": "replicas"},
    "set": {"c": "containers"},
    "proxy": {"p": "port", "u": "unix-socket", "w": "www", "P": "www-prefix"},
}
VALUED_OF = {"set": frozenset(("containers", "prefix"))}  # command -> flags with a value that have none elsewhere


class NotRead(ValueError):
    """A command that cannot be read, in words; `hint` says what could be written instead."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class MakesNoCall(NotRead):
    """A command that asks the cluster nothing, in words."""


class CannotTell(NotRead):
    """A command whose calls nobody can know before it runs, in words."""


class Words(msgspec.Struct, frozen=True):
    """A command without the word kubectl. `flags` maps the long name of each flag to its values, `true` of a boolean without one.
    `behind` are the words after `--`, None where there is none."""

    arguments: tuple[str, ...]
    flags: dict[str, list[str]]
    behind: tuple[str, ...] | None

    def flag(self, name: str) -> str:
        """The value of a flag, the last one where it stands twice; "" where it is absent."""
        return self.flags[name][-1] if name in self.flags else ""

    def has(self, name: str) -> bool:
        """Whether a boolean flag is set."""
        return self.flag(name) not in ("", "false", "0", "f", "F", "FALSE", "False")


def split(command: str) -> list[str]:
    """The words of a command line, by a shell's rules. Raises NotRead."""
    if len(command) > LONGEST:
        raise NotRead(f"a command is longer than {LONGEST} characters")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise NotRead(f"{shown(command)} is no command line: {str(error).lower()}") from None
    if len(words) > MOST_WORDS:
        raise NotRead(f"a command has more than {MOST_WORDS} words")
    return words


def words_of(words: Sequence[str]) -> Words:
    """The words behind kubectl, read. Raises NotRead for a flag that is not known."""
    arguments: list[str] = []
    flags: dict[str, list[str]] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return Words(tuple(arguments), flags, tuple(rest))
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            continue
        for name, value in _flags(word, rest, arguments[0] if arguments else ""):
            flags.setdefault(name, []).append(value)
    return Words(tuple(arguments), flags, None)


def _flags(word: str, rest: list[str], command: str) -> list[tuple[str, str]]:
    """The flags in one word, of which a short one may have more: `-it`, `-nprod`. A value may be the next word of `rest`. `command`
    is "" of a flag that stands before it."""
    boolean = BOOLEAN - VALUED_OF.get(command, frozenset())
    help_of = f"`kubectl {command} --help` lists the flags of the command" if command else ""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        if name not in VALUED and name not in BOOLEAN:
            near = nearest(name, sorted(VALUED | BOOLEAN))
            raise NotRead(f"the flag --{name} is not known here", f"did you mean --{near}?" if near else help_of)
        if equals or name in boolean:
            return [(name, value if equals else "true")]
        return [(name, _value(word, rest))]
    found = []
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        name = SHORT_OF.get(command, {}).get(letter) or SHORT.get(letter, "")
        if not name:
            raise NotRead(f"the flag -{letter} is not known here", help_of)
        if name in boolean and not letters.startswith("="):
            found.append((name, "true"))
            continue
        found.append((name, letters.removeprefix("=") if letters else _value(word, rest)))
        break
    return found


def _value(word: str, rest: list[str]) -> str:
    if not rest:
        raise NotRead(f"the flag {word} needs a value", f"such as {word} VALUE")
    return rest.pop(0)
