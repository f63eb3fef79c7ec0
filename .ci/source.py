"""Source text without what only looks like code: comments, strings and character literals become spaces.

Line breaks stay, so positions and line numbers hold. Rust and JavaScript, as far as the checks beside need them.
"""

import re
import subprocess
from pathlib import Path

RUST_RAW_STRING = re.compile(r'\b(?:b|c)?r(#*)"')
RUST_STRING = re.compile(r'(?:\b(?:b|c))?"(?:[^"\\]|\\.)*"', re.S)
# A lifetime ('a) has no closing quote; a character ('a', '\'', '\u{1F41F}') has one.
RUST_CHAR = re.compile(r"(?:\bb)?'(?:\\(?:u\{[^}]*\}|x[0-9a-fA-F]{2}|.)|[^'\\\n])'", re.S)
JS_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'', re.S)
JS_REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
# After one of these a slash begins a regular expression, otherwise it divides.
JS_REGEX_AFTER = re.compile(r"(?:^|[(,=:\[!&|?{};+\-*%<>~^]|\breturn|\btypeof|\bcase)\s*$")


def tracked(*suffixes):
    """The repository's files with these suffixes, committed or about to be, as sorted paths below its root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True,
    ).stdout
    return sorted(p for p in map(Path, filter(None, listed.split("\0"))) if p.suffix in suffixes and p.is_file())


def code_of(path):
    """The text of one file, blanked according to its language."""
    text = Path(path).read_text(encoding="utf-8")
    return rust(text) if Path(path).suffix == ".rs" else javascript(text)


def rust(text):
    """Rust source with comments (nested ones too) and literals blanked."""
    out, at = [], 0
    while at < len(text):
        end = rust_blank_end(text, at)
        out.append(blank(text[at:end]) if end > at else text[at])
        at = max(end, at + 1)
    return "".join(out)


def rust_blank_end(text, at):
    """Where the comment or literal that begins at `at` ends; `at` itself if none does."""
    if text.startswith("//", at):
        return find_or_end(text, "\n", at)
    if text.startswith("/*", at):
        return block_comment_end(text, at)
    if text[at] in "bcr" and (raw := RUST_RAW_STRING.match(text, at)):
        closing = '"' + raw.group(1)
        return find_or_end(text, closing, raw.end()) + len(closing)
    for literal in (RUST_STRING, RUST_CHAR):
        if text[at] in "bc\"'" and (found := literal.match(text, at)):
            return found.end()
    return at


def block_comment_end(text, at):
    """The end of a block comment, counting those nested in it."""
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)


def javascript(text):
    """JavaScript source with comments, strings, templates (whole) and regular expressions blanked."""
    out, at = [], 0
    while at < len(text):
        end = javascript_blank_end(text, at)
        # A literal leaves a 0 behind, so that a slash after it is seen to divide.
        mark = "0" if end > at and text[at] in "\"'`" else ""
        out.append(mark + blank(text[at:end])[len(mark):] if end > at else text[at])
        at = max(end, at + 1)
    return "".join(out)


def javascript_blank_end(text, at):
    """Where the comment or literal that begins at `at` ends; `at` itself if none does."""
    if text.startswith("//", at):
        return find_or_end(text, "\n", at)
    if text.startswith("/*", at):
        return find_or_end(text, "*/", at + 2) + 2
    if text[at] == "`":
        return template_end(text, at)
    if text[at] in "\"'" and (found := JS_STRING.match(text, at)):
        return found.end()
    before = text[max(0, at - 80):at]
    if text[at] == "/" and JS_REGEX_AFTER.search(before) and (found := JS_REGEX.match(text, at)):
        return found.end()
    return at


def template_end(text, at):
    """The end of a template literal; what stands in its ${} may hold strings and templates again."""
    at += 1
    while at < len(text) and text[at] != "`":
        if text[at] == "\\":
            at += 2
        elif text.startswith("${", at):
            at = substitution_end(text, at + 2)
        else:
            at += 1
    return at + 1


def substitution_end(text, at):
    """Behind the brace that closes a ${ whose content begins at `at`."""
    depth = 1
    while at < len(text) and depth:
        end = javascript_blank_end(text, at)
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at = max(end, at + 1)
    return at


def find_or_end(text, needle, at):
    """The position of `needle` from `at` on, or the text's end."""
    found = text.find(needle, at)
    return len(text) if found < 0 else found


def blank(text):
    """Spaces for everything but line breaks."""
    return re.sub(r"[^\n]", " ", text)
