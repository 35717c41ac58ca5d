"""Small changes to a YAML text, one at a time: most of them faults, some of them other ways to say the same."""

import json
import re

import yaml

import editor

# What takes the place of a scalar, a list or a map.
REPLACEMENTS = [
    "", '""', "[]", "[a]", "{ a: b }", "wrong", "true", '"true"', "True", "7", '"7"', "-7", "0x10", "0.5e1",
    "70000000000000000000", "15m", "(a=b)", "dc=x", '"{a}"', '"{1}"',
]
# Maps whose keys are anybody's, or all alike.
ALIKE = re.compile(r"\b(person|each-group|site\.licenses|limits)\.(?!on-limit|free-below)[^.]+")


def mutations(text, seen):
    """Yields (what was done, the new text).

    `seen` are the places that were changed already, here or in a text of the same kind. Removals are tried everywhere.
    """
    root = editor.nodes(text)
    for parent, index, path in list(places(root)):
        key, node = parent.value[index] if isinstance(parent, yaml.MappingNode) else (None, parent.value[index])
        shape = ALIKE.sub(r"\1.*", ".".join("*" if step.isdigit() else step for step in path))
        name = ".".join(path)
        yield f"{name} removed", changed(root, parent, index, None)
        if key is not None and ("key", shape) not in seen:
            seen.add(("key", shape))
            yield f"{name} misspelt", changed(root, parent, index, (scalar(key.value + "x"), node))
            yield f"{name} as a number", changed(root, parent, index, (scalar("7"), node))
        if (type(node), shape) in seen:
            continue
        seen.add((type(node), shape))

        def put(new):
            return changed(root, parent, index, new if key is None else (key, new))
        for replacement in REPLACEMENTS:
            yield f"{name} is {replacement}", put(editor.nodes(f"- {replacement}").value[0])
        if isinstance(node, yaml.ScalarNode):
            yield f"{name} in quotes", put(yaml.ScalarNode("", node.value, style='"'))
        if isinstance(node, yaml.SequenceNode) and node.value:
            yield f"{name} has one item, without the list", put(node.value[0])
            yield f"{name} has its first item twice", put(yaml.SequenceNode("", [node.value[0], *node.value]))
            yield f"{name} also has an empty item", put(yaml.SequenceNode("", [*node.value, scalar("")]))
        else:
            yield f"{name} in a list", put(yaml.SequenceNode("", [node]))
        if isinstance(node, yaml.MappingNode):
            yield f"{name} has one more key", put(
                yaml.MappingNode("", [*node.value, (scalar("more"), scalar("words"))]))


def places(node, path=()):
    """All nodes below a node: their parent, their number in it, and the keys on the way to them."""
    if isinstance(node, yaml.ScalarNode):
        return
    for index, item in enumerate(node.value):
        key, item = item if isinstance(node, yaml.MappingNode) else (None, item)
        own = (*path, str(index) if key is None else key.value)
        yield node, index, own
        yield from places(item, own)


def scalar(text):
    return yaml.ScalarNode("", text)


def changed(root, parent, index, new):
    """The text with one child replaced, or left out."""
    old = parent.value
    parent.value = old[:index] + ([] if new is None else [new]) + old[index + 1:]
    try:
        return "\n".join(lines(root)) + "\n"
    finally:
        parent.value = old


def lines(node):
    """Block style throughout: a scalar without quotes there needs none elsewhere."""
    if isinstance(node, yaml.ScalarNode):
        return [json.dumps(node.value, ensure_ascii=False) if node.style else node.value]
    if not node.value:
        return ["[]" if isinstance(node, yaml.SequenceNode) else "{}"]
    found = []
    for item in node.value:
        head, item = ("- ", item) if isinstance(node, yaml.SequenceNode) else (lines(item[0])[0] + ":", item[1])
        below = lines(item)
        if isinstance(item, yaml.ScalarNode) or not item.value:
            found.append(f"{head} {below[0]}".rstrip())
        elif head == "- ":
            found += [("  " if number else head) + line for number, line in enumerate(below)]
        else:
            found += [head] + ["  " + line for line in below]
    return found
