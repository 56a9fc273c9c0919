#!/usr/bin/env python3
"""Writes configuration.md from config.schema.json; with --check, only says whether it is up to date."""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
SCHEMA = HERE / "config.schema.json"
PAGE = HERE / "configuration.md"
INTRODUCTION = """\
# Configuration

<!-- Made by generate_configuration.py from config.schema.json: change that, and run it. -->

One YAML file, or the same object as JSON on the control socket. `sluiced --check-config` and
`sluicectl config validate FILE` list every fault of a file with its line, its column and its JSON Pointer.
Unknown keys are faults. Plain scalars are read by the core schema of YAML 1.2, so `no` and `on` are text; a
number with a leading zero is text too, because it has meant two numbers. A file has one document, at most
64 MiB, nested at most 32 levels deep.

Keys in **bold** must be there.
"""


def resolve(schema, node):
    """The node with what its reference says; its own description and default come first."""
    if "$ref" not in node:
        return node
    target = schema
    for token in node["$ref"].removeprefix("#/").split("/"):
        target = target[token]
    return {**resolve(schema, target), **{key: value for key, value in node.items() if key != "$ref"}}


def bounds(node, least, most):
    low, high = node.get(least), node.get(most)
    if low is None and high is None:
        return ""
    if high is None:
        return f", at least {low}"
    if low is None:
        return f", at most {high}"
    return f", {low} to {high}"


def kind(schema, node):
    """The type of a value, in words."""
    node = resolve(schema, node)
    if "anyOf" in node:
        return " or ".join(kind(schema, choice) for choice in node["anyOf"])
    if "enum" in node:
        return " \\| ".join(f"`{word}`" for word in node["enum"])
    match node["type"]:
        case "array":
            item = resolve(schema, node["items"])
            of = "mapping" if item.get("type") == "object" else kind(schema, item)
            return f"list{bounds(node, 'minItems', 'maxItems')}; each: {of}"
        case "object":
            return "mapping"
        case "number":
            return "number" + bounds(node, "minimum", "maximum")
        case "integer":
            return "integer" + bounds(node, "minimum", "maximum")
        case "boolean":
            return "`true` \\| `false`"
        case other:
            return other


def default(node):
    return f"`{json.dumps(node['default'])}`" if "default" in node else ""


def describe(schema, node):
    """The description, and of a referenced type what the type itself says."""
    text = node.get("description", "")
    if "$ref" in node:
        general = resolve(schema, {"$ref": node["$ref"]}).get("description", "")
        if general and general not in text:
            text = f"{text} {general}"
    return text.strip().replace("|", "\\|")


def section(schema, path, node, depth):
    """A heading and a table for one mapping, then one for each mapping inside."""
    lines = [f"{'#' * depth} `{path}`", "", node.get("description", ""), ""] if path else []
    lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
    inner = []
    for key, raw in node["properties"].items():
        child = resolve(schema, raw)
        name = f"**`{key}`**" if key in node.get("required", []) else f"`{key}`"
        lines.append(f"| {name} | {kind(schema, raw)} | {default(raw)} | {describe(schema, raw)} |")
        below = f"{path}.{key}" if path else key
        if child.get("type") == "object" and child["properties"]:
            inner.append((below, child))
        elif child.get("type") == "array" and resolve(schema, child["items"]).get("type") == "object":
            element = resolve(schema, child["items"])
            inner.append((below + "[]", {"description": child["description"], **element}))
        for choice in child.get("anyOf", []):
            if "properties" in (mapping := resolve(schema, choice)):
                inner.append((below, {"description": child["description"], **mapping}))
    lines.append("")
    for below, child in inner:
        lines += section(schema, below, child, min(depth + 1, 4) if path else 2)
    return lines


def main():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    page = "\n".join([INTRODUCTION] + section(schema, "", schema, 2)).rstrip() + "\n"
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
            sys.exit(f"{PAGE.name} is out of date: run {pathlib.Path(__file__).name}")
        return
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
