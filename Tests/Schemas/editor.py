"""YAML as an editor sees it.

The YAML language server reads YAML 1.2 with the core schema and checks the values against a JSON Schema of draft 7. So
here, unlike in PyYAML's own loaders: `yes`, `on` and dates are text; `012` is the number 12 and `0o14` another; only
null, Null, NULL, ~ and nothing are null; only true and false, in small letters, capitals or with a capital first, are
booleans. What stands in quotes is text. Keys are text. A key that stands twice is a fault. `<<` is a key like others:
the language server would merge it, the parser refuses it. A pattern searches, as JavaScript's regular expressions do;
`$` is the very end there.
"""

import json
import re

import jsonschema
import yaml

CORE = [
    (re.compile(r"null|Null|NULL|~|"), lambda text: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
]


class Unreadable(Exception):
    """The text is not YAML."""


def nodes(text):
    """The text as PyYAML's nodes, which still know how a scalar was written."""
    try:
        return yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise Unreadable(str(error)) from error


def value(node):
    """The value that an editor sees in a node."""
    if node is None:
        return None
    if isinstance(node, yaml.SequenceNode):
        return [value(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        found = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in found:
                raise Unreadable(f"a key that is no text or stands twice, in line {key.start_mark.line + 1}")
            found[key.value] = value(item)
        return found
    if node.style:
        return node.value
    return next((make(node.value) for form, make in CORE if form.fullmatch(node.value)), node.value)


def check_pattern(validator, pattern, instance, schema):
    if isinstance(instance, str) and not re.search(re.sub(r"(?<!\\)\$", r"\\Z", pattern), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


Validator = jsonschema.validators.extend(jsonschema.Draft7Validator, {"pattern": check_pattern})


class Schema:
    """A schema file."""

    def __init__(self, path):
        self.document = json.loads(path.read_text())
        jsonschema.Draft7Validator.check_schema(self.document)
        self.validator = Validator(self.document)

    def faults(self, text):
        """What an editor finds wrong with a text."""
        try:
            found = value(nodes(text))
        except Unreadable as error:
            return [str(error)]
        return [f"{error.json_path}: {error.message}" for error in self.validator.iter_errors(found)]

    def keys(self):
        """All places that name keys, and each key with its own schema."""
        def walk(part):
            if isinstance(part, dict):
                if isinstance(part.get("properties"), dict) and part.get("type"):
                    yield from part["properties"].items()
                for inner in part.values():
                    yield from walk(inner)
            elif isinstance(part, list):
                for inner in part:
                    yield from walk(inner)
        return list(walk(self.document))
