"""The manual pages: they hold what the reference does, and man has nothing to say against them."""

import json
import os
import re
import subprocess
import sys

import pytest

from processes import ROOT, SLUICECTL, SLUICED

sys.path.insert(1, str(ROOT / "packaging/man"))

import make_pages  # noqa: E402
import roff  # noqa: E402

PAGES = make_pages.pages("1.2.3")
REFERENCE = ROOT / "docs/reference"


def shown(text):
    """What a reader sees, and what man and its formatter complain of."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "400", "MAN_KEEP_FORMATTING": "", "GROFF_NO_SGR": "1"}
    done = subprocess.run(["man", "--warnings", "--local-file", "-"], input=text, capture_output=True, text=True, env=environment)
    assert done.returncode == 0
    return re.sub(".\b", "", done.stdout), done.stderr


@pytest.fixture(scope="module")
def read():
    return {name: shown(text) for name, text in PAGES.items()}


def test_there_is_a_page_for_each_program_and_file_of_the_service():
    assert set(PAGES) == {"sluiced.8", "sluicectl.1", "sluice.yaml.5", "sluice-metrics.7"}


@pytest.mark.parametrize("name", PAGES)
def test_man_has_no_complaint(read, name):
    text, complaints = read[name]
    assert not complaints
    assert [heading for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO") if f"\n{heading}\n" in text] == [
        "NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"]  # fmt: skip
    assert "Sluice 1.2.3" in text
    assert not re.search(r"\]\(|<br>|\*\*|^ *\|", text, re.MULTILINE), "nothing of Markdown is left"


@pytest.mark.parametrize("name", PAGES)
def test_man_finds_the_page_by_what_it_is_for(name, tmp_path):
    (tmp_path / name).write_text(PAGES[name])
    said = subprocess.run(["lexgrog", tmp_path / name], capture_output=True, text=True)
    title = name.rsplit(".", 1)[0]
    assert said.returncode == 0 and f'"{title} - ' in said.stdout


def keys(schema, node, path=""):
    """Every key of the configuration by its path, as the schema itself has it."""
    if "$ref" in node:
        target = schema
        for token in node["$ref"].removeprefix("#/").split("/"):
            target = target[token]
        node = {**target, **node}
    for name, child in node.get("properties", {}).items():
        yield f"{path}{name}", name, child.get("description", "")
        yield from keys(schema, child, f"{path}{name}.")
    if isinstance(node.get("items"), dict):
        yield from keys(schema, node["items"], path)


def test_every_key_of_the_schema_is_in_sluice_yaml(read):
    schema = json.loads((REFERENCE / "config.schema.json").read_text())
    text = " ".join(read["sluice.yaml.5"][0].split())
    found = list(keys(schema, schema))
    assert len(found) > 100
    for path, name, _ in found:
        assert re.search(rf"(?<![\w.]){re.escape(name)} \(", text), path


def test_every_metric_is_in_its_page(read):
    text = read["sluice-metrics.7"][0]
    names = re.findall(r"^\| `(\w+)` \| (?:gauge|counter|histogram)", (REFERENCE / "metrics.md").read_text(), re.MULTILINE)
    assert len(names) > 40
    assert not [name for name in names if not re.search(rf"^ +{name} \((gauge|counter|histogram)", text, re.MULTILINE)]


@pytest.mark.parametrize("program, page", [("sluicectl", "sluicectl.1"), ("sluiced", "sluiced.8")])
def test_what_help_says_is_in_the_page(read, program, page):
    """Against the program itself: each of its commands and options."""
    binary = SLUICECTL if program == "sluicectl" else SLUICED
    help_text = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
    options = re.findall(r"^ +(?:-\w,)?(--[\w-]+)", help_text, re.MULTILINE)
    commands = re.findall(r"^  (\w+) +\S", help_text.partition("Subcommands:")[2], re.MULTILINE)
    text = read[page][0]
    assert options and (commands or program == "sluiced")
    for option in set(options) - {"--help", "--version"}:
        assert re.search(rf"^ +(-\w, )?{option}\b", text, re.MULTILINE), option
    for command in commands:
        assert re.search(rf"^ +{command}\b", text, re.MULTILINE), command


def test_markdown_becomes_what_roff_prints_as_it_is():
    def one(text):
        return "\n".join(roff.roff(text))

    assert one("a `--b` [c](d.md) **e** ([more](f.md))") == ".PP\na \\fB\\-\\-b\\fR c \\fBe\\fR"
    assert one(".hidden\n'too") == ".PP\n\\&.hidden\n\\(aqtoo"
    assert one("| k | |\n|---|---|\n| `a\\|b` | x<br>y |") == ".TP\n\\fBa|b\\fR\nx\n.br\ny"
    assert one("```sh\n.x\n\ny\\\n```") == ".PP\n.in +4n\n.nf\n\\&.x\n\ny\\e\n.fi\n.in"
