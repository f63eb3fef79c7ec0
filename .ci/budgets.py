#!/usr/bin/env python3
"""Prints every file and function that is over the budget, and fails if one is.

Files (Rust and JavaScript): none over 700 lines; the median of those that hold no tests is at most 200. Test files
(below `tests/`, `tests.rs`, `*.test.mjs`) are too uneven for a median, but the cap holds for them too.
Functions, tests among them: none over 100 lines from signature to closing brace, 95 % within 40; at most 4 parameters,
`self` not counted, none of them a `bool`. What stands in `impl Trait for Type` has the parameters that the trait says,
so there only the trait's own declaration counts. In JavaScript a parameter with a boolean default counts as boolean.

usage: budgets.py [--self-test]
"""

import re
import statistics
import sys
from collections import namedtuple
from pathlib import Path

from source import code_of, javascript, rust, tracked

FILE_LINES, MEDIAN_LINES = 700, 200
FUNCTION_LINES, USUAL_LINES, USUAL_PERCENT = 100, 40, 95
PARAMETERS = 4

File = namedtuple("File", "path lines functions")
Function = namedtuple("Function", "name line lines parameters bools")

TOKEN = re.compile(r"->|=>|\$?[A-Za-z_#][\w#]*|\d\w*|'\w+|[^\s\w]")
OPEN, CLOSE = dict(zip("([{", ")]}")), set(")]}")
RUST_SELF = re.compile(r"(?:&\s*(?:'\w+\s+)?)?(?:mut\s+)?self\b")
RUST_BOOL = re.compile(r"(?:&\s*(?:'\w+\s+)?)?(?:mut\s+)?(?:Option\s*<\s*)?bool\b")
RUST_ATTRIBUTES = re.compile(r"(?:#\s*\[[^\]]*\]\s*)+")
JS_NOT_METHODS = {"if", "for", "while", "switch", "catch", "function", "with", "return", "super", "await"}


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    files = [read(path, code_of(path)) for path in tracked(".rs", ".js", ".mjs")]
    over = [problem for file in files for problem in problems_of(file)]
    over += median_problems(files) + share_problems(files)
    print("\n".join(over + [summary(files)]))
    return 1 if over else 0


def read(path, code):
    """The facts about one file."""
    functions = rust_functions(code) if path.suffix == ".rs" else javascript_functions(code)
    return File(path, len(code.splitlines()), list(functions))


# What is over


def problems_of(file):
    """What one file and its functions have over the caps."""
    if file.lines > FILE_LINES:
        yield f"{file.path}: {file.lines} lines (at most {FILE_LINES})"
    for function in file.functions:
        where = f"{file.path}:{function.line}: {function.name}:"
        if function.lines > FUNCTION_LINES:
            yield f"{where} {function.lines} lines (at most {FUNCTION_LINES})"
        if function.parameters > PARAMETERS:
            yield f"{where} {function.parameters} parameters (at most {PARAMETERS})"
        for name in function.bools:
            yield f"{where} the parameter `{name}` is a bool (use an enum, or two functions)"


def median_problems(files):
    """The files over the median's bound, if the median is over it."""
    if median_lines(files) <= MEDIAN_LINES:
        return []
    longer = [f for f in files if not holds_tests(f.path) and f.lines > MEDIAN_LINES]
    return [f"{f.path}: {f.lines} lines (the median is over {MEDIAN_LINES})" for f in longer]


def share_problems(files):
    """The functions longer than usual, if there are too many of them."""
    functions = [(file.path, function) for file in files for function in file.functions]
    longer = [(path, f) for path, f in functions if f.lines > USUAL_LINES]
    if len(longer) * 100 <= len(functions) * (100 - USUAL_PERCENT):
        return []
    why = f"more than {100 - USUAL_PERCENT} % are over {USUAL_LINES}"
    return [f"{path}:{f.line}: {f.name}: {f.lines} lines ({why})" for path, f in longer]


def summary(files):
    """One line about everything."""
    lengths = [function.lines for file in files for function in file.functions] or [0]
    usual = 100 * sum(lines <= USUAL_LINES for lines in lengths) / len(lengths)
    return (
        f"{len(files)} files: median {median_lines(files):g} lines, longest {max(f.lines for f in files)}; "
        f"{len(lengths)} functions: {usual:.1f} % within {USUAL_LINES} lines, longest {max(lengths)}"
    )


def median_lines(files):
    return statistics.median([f.lines for f in files if not holds_tests(f.path)] or [0])


def holds_tests(path):
    return "tests" in path.parts or path.stem == "tests" or path.name.endswith((".test.js", ".test.mjs"))


# Finding functions: over the tokens of blanked source


def rust_functions(code):
    """Every `fn` with a name, wherever it stands."""
    tokens = list(TOKEN.finditer(code))
    foreign = trait_impl_ranges(tokens)
    for i, token in enumerate(tokens[:-1]):
        # `fn(A) -> B` is a type, `fn name` a function; a macro's is called `$name`.
        if token.group() != "fn" or not re.match(r"[$\w]", tokens[i + 1].group()):
            continue
        opening = parameters_opening(tokens, i + 2)
        if opening is None:
            continue
        closing = matching(tokens, opening)
        end = body_end(tokens, closing + 1)
        parameters = split_parameters(code, tokens, opening, closing)
        parameters = [p for p in parameters if not RUST_SELF.match(p)]
        # Inside a function of a trait's impl there may be others: those are nested deeper.
        if any(start < i < stop and depth_between(tokens, start, i) == 1 for start, stop in foreign):
            parameters = []
        bools = [p.split(":")[0].strip() for p in parameters if RUST_BOOL.match(p.partition(":")[2].strip())]
        yield function(code, (token, tokens[i + 1].group(), tokens[end]), parameters, bools)


def javascript_functions(code):
    """Functions and methods with a name: `function f(`, `f(…) {` in a class or object, `const f = (…) => {`."""
    tokens = list(TOKEN.finditer(code))
    for i, token in enumerate(tokens[:-2]):
        word, before = token.group(), tokens[i - 1].group() if i else ""
        if not re.match(r"[A-Za-z_$#]", word):
            continue
        if word in JS_NOT_METHODS:
            continue
        opening = i + 1
        arrow = before in {"const", "let"} and tokens[i + 1].group() == "="
        if arrow:
            opening = i + 2 + (tokens[i + 2].group() == "async")
        if opening >= len(tokens) or tokens[opening].group() != "(" or before == ".":
            continue
        closing = matching(tokens, opening)
        body = closing + 1 + arrow
        if body >= len(tokens) or tokens[body].group() != "{" or (arrow and tokens[closing + 1].group() != "=>"):
            continue
        parameters = split_parameters(code, tokens, opening, closing)
        bools = [p.split("=")[0].strip() for p in parameters if re.search(r"=\s*(true|false)$", p)]
        yield function(code, (token, word, tokens[matching(tokens, body)]), parameters, bools)


def function(code, parts, parameters, bools):
    first, name, last = parts
    line = code.count("\n", 0, first.start()) + 1
    return Function(name, line, code.count("\n", first.start(), last.start()) + 1, len(parameters), bools)


def trait_impl_ranges(tokens):
    """The token ranges of `impl Trait for Type { … }` bodies."""
    ranges = []
    for i, token in enumerate(tokens):
        if token.group() != "impl" or (i and tokens[i - 1].group() not in {"}", ";", "]", "unsafe", "default", "{"}):
            continue
        opening = next((j for j in range(i, len(tokens)) if tokens[j].group() in "{;"), None)
        header = [t.group() for t in tokens[i:opening]]
        # `for<'a>` is a bound, not the word between trait and type.
        if any(t == "for" and header[k + 1:k + 2] != ["<"] for k, t in enumerate(header)):
            ranges.append((opening, matching(tokens, opening)))
    return ranges


def depth_between(tokens, start, stop):
    """How many braces opened from `start` on are still open at `stop`."""
    words = [t.group() for t in tokens[start:stop]]
    return words.count("{") - words.count("}")


def parameters_opening(tokens, at):
    """The parenthesis that opens the parameters, behind the generics if there are any."""
    depth = 0
    for i in range(at, len(tokens)):
        word = tokens[i].group()
        depth += {"<": 1, ">": -1}.get(word, 0)
        if word == "(" and depth == 0:
            return i
        if word in "{;" and depth == 0:
            return None
    return None


def matching(tokens, opening):
    """The index of the bracket that closes the one at `opening`; the last token if it is never closed."""
    depth = 0
    for i in range(opening, len(tokens)):
        depth += (tokens[i].group() in OPEN) - (tokens[i].group() in CLOSE)
        if depth == 0:
            return i
    return len(tokens) - 1


def body_end(tokens, at):
    """The closing brace of the body that follows a signature, or the semicolon of a mere declaration."""
    while at < len(tokens):
        word = tokens[at].group()
        if word in "{;":
            return matching(tokens, at) if word == "{" else at
        at = matching(tokens, at) + 1 if word in OPEN else at + 1
    return len(tokens) - 1


def split_parameters(code, tokens, opening, closing):
    """The text of each parameter, without attributes."""
    pieces, depth, start = [], 0, tokens[opening].end()
    for i in range(opening + 1, closing + 1):
        word = tokens[i].group()
        if i == closing or (word == "," and depth == 0):
            pieces.append(code[start:tokens[i].start()])
            start = tokens[i].end()
        depth += (word in OPEN or word == "<") - (word in CLOSE or word == ">")
    return [p for p in (RUST_ATTRIBUTES.sub("", piece).strip() for piece in pieces) if p]


# Its own test

RUST_SAMPLE = r'''
//! fn not_this(a: bool) {
/* fn nor /* this */ (a: bool) { */
fn plain<'a, F: Fn(u8, u8) -> bool>(x: &'a str, f: F) -> Vec<u8> {
    let _ = ("fn s(a: bool) { ", '{', '\'', b'"', r#"} " fn t(a: bool) {"#, b"\"{", '\u{7b}');
    let lifetime: &'a str = x; // {
}
fn five(a: u8, b: (u8, u8), c: HashMap<u8, Vec<u8>>, d: fn(u8, u8) -> bool, #[x(a, b)] e: [u8; 2],) {}
fn flag(&self, on: bool, maybe: Option<bool>, many: Vec<bool>, f: impl Fn(bool) -> u8);
trait T { fn declared(&'a mut self, a: u8, b: u8, c: u8, d: u8) -> [u8; 4] where Self: Sized; }
impl<F> T for Box<F> where F: for<'a> Fn(&'a u8) { fn foreign(self: Box<Self>, on: bool) { fn nested(on: &bool) {} } }
impl Own { const fn own(mut self, on: bool) -> Self { if x < y { z } else { w } } }
macro_rules! m { ($name:ident) => { fn $name(a: u8) {
} } }
fn r#match() {
    let s = "
";
}
'''

JS_SAMPLE = r'''
// function not(a) {
function plain(a, b = {x: 1}, flag = false) {
    if (a) { return /[/"`{]/.test(`} ${`{ ${b}`} function no() {`); }
    for (const x of a) { b / x / "}"; }
}
class C { #hidden(a) { } async method({a, b}, [c, d], e, ...f) {
  } get size() { return 1 } }
const arrow = async (a, b) => {
};
test('name', () => { call(a, b); });
'''


def self_test():
    """Compares what the scanner finds in two samples with what stands in them."""
    found = [tuple(f)[0:1] + tuple(f)[2:] for f in rust_functions(rust(RUST_SAMPLE))]
    assert found == [
        ("plain", 4, 2, []), ("five", 1, 5, []), ("flag", 1, 4, ["on", "maybe"]), ("declared", 1, 4, []),
        ("foreign", 1, 0, []), ("nested", 1, 1, ["on"]), ("own", 1, 1, ["on"]), ("$name", 2, 1, []),
        ("r#match", 4, 0, []),
    ], found
    found = [tuple(f)[0:1] + tuple(f)[2:] for f in javascript_functions(javascript(JS_SAMPLE))]
    assert found == [
        ("plain", 4, 3, ["flag"]), ("#hidden", 1, 1, []), ("method", 2, 4, []), ("size", 1, 0, []),
        ("arrow", 2, 2, []),
    ], found
    for sample, blanked in ((RUST_SAMPLE, rust(RUST_SAMPLE)), (JS_SAMPLE, javascript(JS_SAMPLE))):
        assert len(sample) == len(blanked) and sample.count("\n") == blanked.count("\n")
        assert "not" not in blanked and '"' not in blanked
    check_caps()
    print("the scanner finds what it should")
    return 0


def check_caps():
    """Every cap lets its own value through and nothing more."""
    def problems(code):
        return len(list(problems_of(read(Path("a.rs"), code))))

    body = "fn f() {\n" + "x();\n" * (FUNCTION_LINES - 2)
    assert (problems(body + "}"), problems(body + "x();\n}")) == (0, 1)
    assert (problems("\n" * FILE_LINES), problems("\n" * (FILE_LINES + 1))) == (0, 1)
    assert (problems("fn f(a: A, b: B, c: C, d: D);"), problems("fn f(a: A, b: B, c: C, d: D, e: E);")) == (0, 1)
    assert problems("fn f(a: bool);") == 1

    middle, longer = (read(Path("a.rs"), "\n" * lines) for lines in (MEDIAN_LINES, MEDIAN_LINES + 1))
    assert (median_problems([middle]), len(median_problems([longer]))) == ([], 1)
    assert median_problems([longer._replace(path=Path("a/tests.rs"))]) == []
    usual, long = (Function("f", 1, lines, 0, []) for lines in (USUAL_LINES, USUAL_LINES + 1))
    assert share_problems([middle._replace(functions=[usual] * 19 + [long])]) == []
    assert len(share_problems([middle._replace(functions=[usual] * 18 + [long])])) == 1


if __name__ == "__main__":
    sys.exit(main())
