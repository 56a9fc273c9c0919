#!/usr/bin/env python3
"""Writes a text file as C++ raw string literals: embed_text.py INPUT OUTPUT."""
import sys

text = open(sys.argv[1], encoding="utf-8").read()
with open(sys.argv[2], "w", encoding="utf-8") as output:
    for start in range(0, len(text), 8192):  # compilers limit the length of one literal
        output.write(f'R"embedded({text[start:start + 8192]})embedded"\n')
