#!/usr/bin/env python3
"""Puts the page together: one HTML file with its style and its modules in it, and what browsers may do with it.

assemble.py FOLDER page.html          writes the page as a file, to look at
assemble.py FOLDER page.inc           writes it as C++: the page, the same compressed, and its Content-Security-Policy

Modules stay what they are, for tests that import them one by one: here each becomes a function that is called once, in
the order of their imports. No tool is needed beyond Python.
"""

import base64
import gzip
import hashlib
import pathlib
import re
import sys
from typing import Dict, List

IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)", re.MULTILINE)


def order(sources: Dict[str, str], first: str) -> List[str]:
    """The modules that `first` needs and itself, each after those that it imports."""
    done: List[str] = []

    def visit(name: str, above: List[str]) -> None:
        if name in above:
            raise SystemExit(f"modules import each other: {' '.join(above + [name])}")
        if name in done:
            return
        for _, needed in IMPORT.findall(sources[name]):
            visit(needed, above + [name])
        done.append(name)

    visit(first, [])
    return done


def wrapped(name: str, source: str) -> str:
    """A module as a constant, which has what the module exports."""
    exported = EXPORT.findall(source)
    taken = IMPORT.sub(lambda found: f"const {{{found[1]}}} = {found[2]}Module;\n", source)
    if re.search(r"^(import|export default|export \{)", taken, re.MULTILINE):
        raise SystemExit(f"{name}.js imports or exports in a way that assemble.py does not know")
    body = re.sub(r"^export ", "", taken, flags=re.MULTILINE)
    return f"const {name}Module = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();\n"


def script(folder: pathlib.Path) -> str:
    """All modules as one."""
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.js"))}
    modules = order(sources, "main")
    unused = set(sources) - set(modules)
    if unused:
        raise SystemExit(f"nothing imports {', '.join(sorted(unused))}")
    text = "\n".join(wrapped(name, sources[name]) for name in modules)
    if "</script" in text or "<!--" in text:
        raise SystemExit("the script has words that end it in HTML")
    return text


def digest(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def assemble(folder: pathlib.Path):
    """The page, and the policy that lets it do what it does and nothing else."""
    style = (folder / "page.css").read_text(encoding="utf-8")
    code = script(folder)
    page = (folder / "page.html").read_text(encoding="utf-8")
    page = page.replace("/*STYLE*/", style).replace("/*SCRIPT*/", code)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {digest(code)}",
            f"style-src {digest(style)}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
    return page, policy


def literal(name: str, data: bytes) -> str:
    """Bytes as a C++ constant: octal escapes, as one of three digits ends by itself. Compilers limit one literal."""
    plain = bytes(set(range(32, 127)) - set(b'"\\?'))
    pieces = [data[start : start + 8192] for start in range(0, len(data), 8192)]
    lines = ['"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in piece) + '"' for piece in pieces]
    return f"constexpr std::string_view {name}(\n" + "\n".join(lines) + f",\n{len(data)});\n"


def main() -> None:
    folder, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    page, policy = assemble(folder)
    if output.suffix == ".html":
        output.write_text(page, encoding="utf-8")
        return
    data = page.encode()
    packed = gzip.compress(data, mtime=0)
    text = literal("kPage", data) + literal("kCompressedPage", packed) + literal("kPolicy", policy.encode())
    output.write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
