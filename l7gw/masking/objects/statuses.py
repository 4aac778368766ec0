"""What is masked of a Status that tells of a failure: the values that it quotes.

Who may patch a Secret can make kube-apiserver quote all of it: a merge patch that cannot be applied is answered with the whole
stored object in the 422 (AS pkg/endpoints/handlers/patch.go). A validation quotes the field's value, and that of a pod's update
both pods. The words around a value stay, so that a client sees which field is meant and why.

Of a Secret a message stays where its form is one that holds no value; any other is masked whole.
"""

from __future__ import annotations

import json
import re

from l7gw.kube.objects.node import Node
from l7gw.masking.objects.hiding import Cut, Hiding
from l7gw.masking.objects.object_kinds import text_of
from l7gw.masking.objects.pod_objects import CONFIG_MAP, ENV
from l7gw.masking.objects.secret_objects import SECRET_DATA, TOKEN_REQUEST

# AM pkg/util/validation/field/errors.go: `TYPE: VALUE: DETAIL` and, for the second row, `TYPE: DETAIL`
_WITH_VALUE = re.compile(r"(?:Invalid value|Unsupported value|Not found|Duplicate value|Too many|Too few): ", re.ASCII)
_WITHOUT_VALUE = re.compile(r"(?:Required value|Forbidden|Too long|Too short|Internal error)(?:: |$)", re.ASCII)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)  # as Go's %q writes it
_PLAIN = re.compile(r"(?:-?\d+(?:\.\d+)?|0x0|true|false|null)(?=: |$)", re.ASCII)
# Fields of a Secret whose values say nothing of its data
_HARMLESS_FIELD = re.compile(
    r"type|immutable|kind|apiVersion|metadata\.(?:name|generateName|namespace|uid|resourceVersion|labels.*|finalizers.*|"
    r"ownerReferences.*|managedFields.*|deletionGracePeriodSeconds|annotations)",
    re.DOTALL,
)
# Details of a failure about a Secret that hold no value
_HARMLESS_DETAIL = re.compile(
    r"illegal base64 data at input byte \d+|"
    r"(?:may not|must) be (?:more|no more|less) than \d+ (?:bytes|characters)|"
    r"field is immutable(?: when `immutable` is set)?|"
    r"a valid config key must consist of alphanumeric characters, .*|"
    r"json: cannot unmarshal [a-z]+ into Go (?:struct field|value) [A-Za-z0-9_.]+ of type [\[\]A-Za-z0-9_.]+|"
    r"json: cannot unmarshal [a-z]+ into Go value of type [\[\]A-Za-z0-9_.]+|"
    r"cannot (?:restore|convert) [a-z0-9]+ (?:from|to) [a-z0-9]+|unrecognized type: [a-z0-9]+|name or generateName is required|"
    r'strict decoding error: (?:(?:unknown|duplicate) field "[^"\\]*"(?:, )?)+|'
    r"invalid character '.{1,8}' [a-z: ]+|"
    r"converting \([A-Za-z0-9.]+\) to \([A-Za-z0-9.]+\): unknown conversion|"
    r'\.[A-Za-z0-9_.\[\]"=-]+: field not declared in schema|'
    r"(?:unexpected end of JSON input|unexpected EOF|EOF)",
    re.DOTALL,
)
_DECODING = "error decoding from json: "
_REDACTED = '"<secret contents redacted>"'  # KK pkg/apis/core/validation/validation.go
_NAME = r'"[^"\\]*"'
_RESOURCE = r"[A-Za-z0-9.-]+"
# Whole messages about a Secret that hold no value (AM pkg/api/errors/errors.go; AS pkg/endpoints/handlers, pkg/registry/generic)
_HARMLESS = re.compile(
    rf"{_RESOURCE} {_NAME} (?:not found|already exists)(?:, the server was not able to generate a unique name for the object)?|"
    rf"{_RESOURCE}(?: {_NAME})? is forbidden: User {_NAME} cannot [a-z]+ (?:resource|path) .*|"
    rf"Operation cannot be fulfilled on {_RESOURCE} {_NAME}: (?:the object has been modified; please apply your changes to "
    r"the latest version and try again|Precondition failed: .*|StorageError: .*|"
    r"the (?:UID|ResourceVersion) in the precondition .*)|"
    rf"{_RESOURCE} {_NAME} is forbidden: unable to create new content in namespace .* because it is being terminated|"
    rf"namespaces {_NAME} not found|"
    r'Apply failed with \d+ conflicts?: (?:conflicts? with "[^"]*"[^"]*)+|'
    r"(?:Timeout|Too many requests|Request entity too large): .*|"
    r"the server rejected our request due to an error in our request|"
    r"the server (?:could not find the requested resource|does not allow this method on the requested resource)|"
    rf"The [a-z]+ operation against {_RESOURCE} could not be completed at this time, please try again\.|"
    r"the body of the request was in an unknown format - accepted media types include: .*|"
    r"too old resource version: \d+ \(\d+\)|The (?:provided continue|resourceVersion).*|"
    r"Unauthorized|unauthorized|name must be provided|dryRun is not supported|"
    r"the namespace of the (?:provided )?object does not match the namespace (?:sent )?on the request|"
    r"the name of the object \(.*\) does not match the name on the URL \(.*\)|"
    r"the API version in the data \([^ ]*\) does not match the expected API version \([^ ]*\)|"
    r"metadata\.resourceVersion: Invalid value: 0x0: must be specified for an update|"
    r"resourceVersion should not be set on objects to be created|"
    # of what stands in the query
    r"(?:invalid continue token|invalid resource version|field label not supported|unable to parse requirement): .*",
    re.DOTALL | re.ASCII,
)
# `Secret in version "v1" cannot be handled as a Secret: DETAIL` and the like: a beginning that holds no value, then a detail
_BEGINNING = re.compile(
    r'[A-Za-z]+ in version "[a-z0-9]+" cannot be handled as a [A-Za-z]+: |error decoding patch: |error decoding YAML: |'
    r"error decoding from json: |failed to create typed patch object \([^)]*\): |"
    r"Internal error occurred: |the object provided is unrecognized \(must be of type [A-Za-z]+\): |"
    r'(?P<admission>[a-z0-9.-]+ "[^"\\]*" is forbidden: |admission webhook "[^"]*" denied the request: |'
    r"ValidatingAdmissionPolicy '[^']*' with binding '[^']*' denied request: )",
    re.ASCII,
)
_INVALID = re.compile(r'[A-Za-z0-9.]* ?"[^"\\]*" is invalid: ', re.ASCII)
_CONFLICT = re.compile(r'conflict with "[^"]*"(?: with subresource "[^"]*")? using \S+(?: at \S+)?', re.ASCII)
# In the words of an admission plugin: what it may quote of the object
_LOOKS_QUOTED = re.compile(r"""\{.*\}|"(?:[^"\\]|\\.)*"|'[^']*'|`[^`]*`|(?<![^\s=:,(])(?=[^\s,]*[0-9+/=])[^\s,]{12,}""", re.DOTALL)
# What tells that a value, a detail or a whole message quotes an environment, or a whole object that may have one
_QUOTES_ENV = re.compile(
    r'\\?"env\\?"|\bEnv\b|\bEnvVar|\benv:|\bValue\\?"?:\s|\\?"(?:data|stringData)\\?":|last-applied-configuration'
)
_JSON = json.JSONDecoder()
# A client shows nothing but a placeholder then, and nobody could tell why
WHOLE_WARNING = "the cluster's message was masked whole, as it may quote a value; a rule that says reveal: [{}] shows it"
_ENV_VALUE = re.compile(r"\benv\[\d+\]\.value$")


def mask_status(status: Node, kinds: tuple[str, ...], hiding: Hiding) -> None:
    """Mask the values in a Status. `kinds` names, beside `Status`, the kind that the URL asks for."""
    if text_of(status.member("status")) == "Success":
        return
    details = status.member("details")
    named = text_of(details.member("kind")).lower() if details is not None else ""
    about = _Status(_detector(kinds, named))
    causes = details.member("causes") if details is not None else None
    told: list[tuple[str, list[Cut]]] = []  # what each cause adds to the message, with its cuts
    for cause in causes.items() if causes is not None else ():
        field, message = text_of(cause.member("field")), cause.member("message")
        text = text_of(message)
        cuts = about.cause(field, text)
        if message is not None and cuts:
            hiding.cut(message, text, cuts)
        before = f"{field}: " if field else ""
        told.append((before + text, [_moved(cut, len(before)) for cut in cuts]))
    message = status.member("message")
    text = text_of(message)
    if message is not None and text and (cuts := about.message(text, told)):
        hiding.cut(message, text, cuts)
        whole, name = cuts[0], cuts[0].detector
        if (whole.start, whole.end) == (0, len(text)) and not hiding.reveals(name):
            hiding.warn(WHOLE_WARNING.format(name))


class _Status:
    """How the texts of one Status are read. `detector` is the name by which its values are masked."""

    def __init__(self, detector: str) -> None:
        self._detector = detector
        self._strict = detector in (SECRET_DATA, TOKEN_REQUEST)  # what is not known to be harmless is masked

    def cause(self, field: str, text: str) -> list[Cut]:
        """What is masked of the message of a cause."""
        if self._strict:
            if _HARMLESS_FIELD.fullmatch(field) is not None or _CONFLICT.fullmatch(text) is not None:
                return []
        elif not self._may_quote(field, text):
            return []
        if (match := _WITHOUT_VALUE.match(text)) is not None:
            return self._detail(text, match.end())
        if (match := _WITH_VALUE.match(text)) is None:
            return self._free(text, 0)
        start = match.end()
        end = _end_of_value(text, start)
        if text[start:end] not in ("", _REDACTED) and not _is_key_of(field, text[start:end]):
            value = [Cut(start=start, end=end, detector=self._detector)]
        else:
            value = []
        if end == len(text):
            return value
        return value + self._detail(text, end + 2)

    def message(self, text: str, told: list[tuple[str, list[Cut]]]) -> list[Cut]:
        """What is masked of the message of the whole Status. `told` are the causes, as they stand in it, with their cuts."""
        if (match := _INVALID.match(text)) is not None:
            parts = dict(told)  # the same cause is told once (AM pkg/util/errors/errors.go)
            joined = ", ".join(parts)
            start = match.end() + (len(parts) > 1)
            if text[match.end() :] == (f"[{joined}]" if len(parts) > 1 else joined):
                cuts: list[Cut] = []
                for part, inner in parts.items():
                    cuts += (_moved(cut, start) for cut in inner)
                    start += len(part) + 2
                return cuts
            return self._free(text, match.end())
        if _HARMLESS.fullmatch(text) is not None:
            return []
        return self._free(text, 0)

    def _may_quote(self, field: str, text: str) -> bool:
        if self._detector == CONFIG_MAP and (field in ("", "patch") or field.startswith(("data", "binaryData"))):
            return True
        return _ENV_VALUE.search(field) is not None or _QUOTES_ENV.search(text) is not None

    def _detail(self, text: str, start: int) -> list[Cut]:
        if text.startswith(_DECODING, start):
            start += len(_DECODING)
        detail = text[start:]
        if not detail or _HARMLESS_DETAIL.fullmatch(detail) is not None:
            return []
        if self._strict:
            return [Cut(start=start, end=len(text), detector=self._detector)]
        return self._free(text, start)

    def _free(self, text: str, start: int) -> list[Cut]:
        """What is masked of a text in nobody's form: of one about a Secret all but a known beginning, of any other what quotes an
        environment or an object, to its end."""
        admitted = False
        while (match := _BEGINNING.match(text, start)) is not None:
            start, admitted = match.end(), admitted or match.lastgroup == "admission"
        rest = text[start:]
        if not rest or _HARMLESS_DETAIL.fullmatch(rest) is not None or _HARMLESS.fullmatch(rest) is not None:
            return []
        if self._strict and not admitted:
            return [Cut(start=start, end=len(text), detector=self._detector)]
        if admitted:
            return [Cut(start=m.start(), end=m.end(), detector=self._detector) for m in _LOOKS_QUOTED.finditer(text, start)]
        found = _QUOTES_ENV.search(text, start)
        if found is None:
            return []
        behind = text.find("\n", start, found.start()) + 1 or start  # a line of words stands before what a pod's update quotes
        return [Cut(start=behind, end=len(text), detector=self._detector)]


def _end_of_value(text: str, start: int) -> int:
    """Where the value of a cause ends. A value in nobody's form goes to the end of the text."""
    if (match := _QUOTED.match(text, start) or _PLAIN.match(text, start)) is not None:
        end = match.end()
    elif text.startswith(("{", "["), start):
        try:
            _, end = _JSON.raw_decode(text, start)
        except (ValueError, RecursionError):
            return len(text)
    else:
        return len(text)
    return end if end == len(text) or text.startswith(": ", end) else len(text)


def _is_key_of(field: str, value: str) -> bool:
    """Whether a quoted value is the key in the field's path: a key that is not allowed is told so."""
    return len(value) > 2 and field.endswith(f"[{value[1:-1]}]")


def _moved(cut: Cut, by: int) -> Cut:
    return Cut(start=cut.start + by, end=cut.end + by, detector=cut.detector, others=cut.others)


def _detector(kinds: tuple[str, ...], named: str) -> str:
    if "Secret" in kinds or named in ("secret", "secrets"):
        return SECRET_DATA
    if "ConfigMap" in kinds or named in ("configmap", "configmaps"):
        return CONFIG_MAP
    return TOKEN_REQUEST if "TokenRequest" in kinds or "TokenReview" in kinds else ENV
