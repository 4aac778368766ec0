"""The keys of `masking` and of `hooks`."""

from __future__ import annotations

from l7gw.config.hooks import NAME, OBJECT, PARTS
from l7gw.config.masking import KIND, PATTERN_NAME
from l7gw.config.shapes import Flag, Key, Listed, Mapping, Named, Switch, Text, Texts, Words

PATTERN = Mapping(
    (
        Key(
            "name",
            Text("name", PATTERN_NAME.pattern),
            "1 to 32 lower-case letters, digits and hyphens; it stands in placeholders.",
            "employee-id",
            required=True,
        ),
        Key(
            "pattern",
            Text("regular expression", some=True),
            "RE2 over bytes, in ASCII, that matches at most 256 bytes. Where it has a group `(?P<value>...)`, that alone is "
            "masked.",
            '"EMP-[0-9]{6}"',
            required=True,
        ),
    )
)

FIELD = Mapping(
    (
        Key(
            "kind",
            Text("kind", KIND.pattern),
            "A kind, alone or with its group behind a dot.",
            "Database.example.com",
            required=True,
        ),
        Key(
            "path",
            Text("path", some=True),
            "In it `*` within a name is any characters, `[*]` each item of a list, `[0]` the first; a name with other characters "
            "stands in double quotes.",
            '"spec.users[*].password"',
            required=True,
        ),
    )
)

TEST = Mapping(
    (
        Key("text", Text(), "A text.", '"nothing is found here"', required=True),
        Key(
            "finds",
            Texts(empty=True),
            "The detectors that find something in it, and no others; `[]`: nothing is found.",
            "[]",
            required=True,
        ),
    )
)

MASKING = Mapping(
    (
        Key(
            "registry",
            Switch(),
            "`off`: values of Secrets that were read are not recognised in other answers and streams.",
            "off",
            default="on",
        ),
        Key(
            "detectors",
            Named(Switch()),
            "Detectors that are turned on or off. A rule's `mask` turns one on that is off here.",
            "{email: on, jwt: off}",
            absent="as `l7gw masking detectors` lists them",
        ),
        Key("patterns", Listed(PATTERN), "Detectors of your own, at most 100.", '[{name: employee-id, pattern: "EMP-[0-9]{6}"}]'),
        Key("fields", Listed(FIELD), "Fields of objects whose texts are masked.", '[{kind: ConfigMap, path: "data.*password*"}]'),
        Key(
            "tests",
            Listed(TEST),
            "Which detectors find something in a text. A test that fails is a mistake of the file.",
            '[{text: "nothing is found here", finds: []}]',
        ),
    )
)

HOOK = Mapping(
    (
        Key(
            "name",
            Text("name", NAME.pattern),
            "1 to 27 lower-case letters, digits and hyphens, each once. In refusals, finds and placeholders it is `hook-NAME`.",
            "acme",
            required=True,
        ),
        Key(
            "object",
            Text("MODULE:CLASS", OBJECT.pattern),
            "The class, and its module in `path`.",
            '"acme_hooks:Acme"',
            required=True,
        ),
        Key(
            "path",
            Text("folder"),
            "The folder of the module. It and all in it belong to root or the gateway's user, and neither group nor others may "
            "write to it; a read-only mount such as a ConfigMap's volume is taken as it is.",
            "hooks",
            required=True,
        ),
        Key("raw", Flag(), "`true`: it is given data before masking.", "true", default="false"),
        Key("for", Texts(Words(PARTS)), "What it is called for.", "[act, frame]", absent="all that the class has"),
    )
)
