"""Markdown as docs/reference has it, as the roff of a manual page. Tables become lists, links their text."""

import re
from typing import Iterator, List

_INLINE = re.compile(r"\*\*`([^`]+)`\*\*|`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]*)\]\([^)\s]+\)")
_MORE = re.compile(r"\s*\(\[(?:more|how)\]\([^)]*\)\)")  # leads to a page that a terminal cannot follow


def escaped(text: str) -> str:
    """Text that roff prints as it is, anywhere in a line but at its beginning."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return text.replace("^", "\\(ha").replace("~", "\\(ti")


def line(text: str) -> str:
    """One line of output: a dot at its beginning is no request."""
    return "\\&" + text if text.startswith((".", "'")) else text


def inline(text: str) -> str:
    """Code and what is bold in bold, links as their text."""
    text = _MORE.sub("", text)
    out, end = [], 0
    for match in _INLINE.finditer(text):
        out.append(escaped(text[end : match.start()]))
        word = next(group for group in match.groups() if group is not None)
        code = f"\\fB{escaped(word)}\\fR"
        # A long word, such as a URL, may go on in the next line behind a slash.
        code = code.replace("/", "/\\:") if len(word) > 40 else code
        out.append(inline(word) if match[4] is not None else code)
        end = match.end()
    return "".join(out) + escaped(text[end:])


def cells(row: str) -> List[str]:
    """The cells of a table's row; `\\|` is a bar inside one."""
    inner = row.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def table(rows: List[str]) -> Iterator[str]:
    """An entry for each row: the first cell, those in the middle after it, and the last one below."""
    headers = cells(rows[0])
    for row in rows[2:]:
        first, *middle, last = cells(row)
        notes = ["must be there"] if first.startswith("**`") else []
        for header, cell in zip(headers[1:], middle):
            if cell:
                notes.append(f"{header} {cell}" if header in ("default", "labels") else cell)
        yield ".TP"
        yield line(inline(first) + (f" ({inline('; '.join(notes))})" if notes else ""))
        below = last.split("<br>")
        yield line(inline(below[0])) or "\\&"
        for argument in below[1:]:
            yield ".br"
            yield line(inline(argument))


def _paragraph(lines: List[str]) -> Iterator[str]:
    if lines[0].startswith("- "):
        for item in re.split(r"^- ", "\n".join(lines), flags=re.MULTILINE)[1:]:
            yield ".IP \\(bu 2"
            yield from (line(inline(each.strip())) for each in item.splitlines())
    else:
        yield ".PP"
        yield from (line(each) for each in inline("\n".join(lines)).splitlines())


def _code(lines: List[str]) -> Iterator[str]:
    yield from (".PP", ".in +4n", ".nf")
    yield from (line(escaped(each)) for each in lines)
    yield from (".fi", ".in")


def roff(markdown: str) -> Iterator[str]:
    """The lines of a page's body. A `#` heading is left out, it is the page's name."""
    markdown = re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL)
    # A fence may have empty lines inside, so it is taken out first.
    for number, part in enumerate(re.split(r"^```.*(?:\n|\Z)", markdown, flags=re.MULTILINE)):
        if number % 2:
            yield from _code(part.splitlines())
            continue
        for block in re.split(r"\n\s*\n", part):
            lines = block.strip("\n").splitlines()
            if not lines:
                continue
            heading = re.match(r"(#+) (.*)", lines[0])
            if heading:
                level, text = len(heading[1]), heading[2].replace("`", "")
                if level > 1:
                    yield f'.SH "{escaped(text)}"' if level == 2 else f'.SS "{escaped(text)}"'
                lines = lines[1:]
            if lines and lines[0].startswith("|"):
                yield from table(lines)
            elif lines:
                yield from _paragraph(lines)
