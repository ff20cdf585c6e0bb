#!/usr/bin/env python3
"""Fails if modules of src/ form a ring, or if one needs a module of a layer above it.

A module needs another if its code, without tests, names something that the other defines, by `use` or by a path in
the code. `mod x;` and a re-export (`pub use self::x::Y`) are not a need: a module that uses the re-export needs the
one with the definition. The layers are the rows of the table in docs/architecture.md, top to bottom.

    scripts/rings.py [FOLDER]      FOLDER has src/ and docs/; the repository by default
"""

import re
import sys
from pathlib import Path

ROOT = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
USE = re.compile(r"^[ \t]*(pub(?:\([a-z]+\))? )?use ([^;]+);", re.M)


def module_of(path):
    """The names on the way to a module: ("wire", "refusal"); () is the crate."""
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return () if parts == ("lib",) else parts


def code_of(path):
    """The text without comments, strings and tests."""
    text = re.sub(r"//[^\n]*", "", path.read_text())
    # A visibility needs nothing.
    text = re.sub(r"\bpub\(in [^)]*\)", "pub(super)", text)
    text = re.sub(r'b?r#+"(?:.|\n)*?"#+|b?"(?:\\.|[^"\\])*"', '""', text, flags=re.S)
    text = re.sub(r"#\[cfg\(test\)\]\s*(?:pub\S*\s+)?use [^;]+;", "", text)
    return text.split("#[cfg(test)]\nmod tests {")[0]


def is_production(path):
    return path.name != "main.rs" and not {"tests", "fuzz", "bench", "oracle"} & set(module_of(path))


CODE = {module_of(path): code_of(path) for path in sorted((ROOT / "src").rglob("*.rs")) if is_production(path)}


def leaves(tree, prefix=()):
    """Each path of a use tree, with the name that it has in this file."""
    depth, start, parts = 0, 0, []
    for at, char in enumerate(tree):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(tree[start:at])
            start = at + 1
    for part in filter(None, (part.strip() for part in [*parts, tree[start:]])):
        head, brace, rest = part.partition("{")
        head, _, alias = head.partition(" as ")
        path = prefix + tuple(filter(None, (word.strip() for word in head.split("::"))))
        if brace:
            yield from leaves(rest.rstrip()[:-1], path)
        else:
            path = path[:-1] if path[-1] == "self" else path
            yield path, alias.strip() or path[-1]


def absolute(module, path):
    """The path from the crate's root; None if it leads out of the crate."""
    if path[0] == "crate":
        return path[1:]
    if path[0] not in ("self", "super"):
        return module + path if module + path[:1] in CODE else None
    while path and path[0] in ("self", "super"):
        module, path = (module[:-1] if path[0] == "super" else module), path[1:]
    return module + path


REEXPORTS = {
    (*module, name): absolute(module, path)
    for module, code in CODE.items()
    for is_public, tree in USE.findall(code)
    if is_public
    for path, name in leaves(tree)
}


def definer(path, hops=10):
    """The module that defines what an absolute path names."""
    for end in range(len(path), -1, -1):
        if path[:end] in CODE:
            shown = REEXPORTS.get(path[: end + 1]) if end < len(path) and hops else None
            return definer(shown + path[end + 1 :], hops - 1) if shown else path[:end]
    return ()


def needs(module, code):
    paths = [path for is_public, tree in USE.findall(code) if not is_public for path, _ in leaves(tree)]
    paths += [tuple(path.split("::")) for path in re.findall(r"(?<![\w:])[a-z_]\w*(?:::\w+)+", USE.sub("", code))]
    found = {definer(path) for path in (absolute(module, path) for path in paths) if path}
    return found - {module, ()}


NEEDS = {module: needs(module, code) for module, code in CODE.items() if module}


def rings():
    """Tarjan's strongly connected components of more than one module."""
    order, low, stack, found = {}, {}, [], []

    def visit(module):
        order[module] = low[module] = len(order)
        stack.append(module)
        for other in NEEDS[module]:
            if other not in order:
                visit(other)
            if other in stack:
                low[module] = min(low[module], low[other])
        if low[module] == order[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for module in NEEDS:
        if module not in order:
            visit(module)
    return found


def layers():
    """The layer of each module in the table, 0 at the top; those below a module are of its layer, unless named."""
    rows = re.findall(r"^\| [^|]+ \| ((?:`[\w:]+`(?:, )?)+) \|", (ROOT / "docs/architecture.md").read_text(), re.M)
    return {tuple(name.split("::")): layer for layer, row in enumerate(rows) for name in re.findall(r"[\w:]+", row)}


def faults():
    for ring in rings():
        yield f"a ring of {len(ring)} modules:"
        for module in ring:
            needed = sorted("::".join(other) for other in NEEDS[module] if other in ring)
            yield f"  {'::'.join(module)} needs {', '.join(needed)}"
    table = layers()

    def layer(module):
        return next((table[module[:end]] for end in range(len(module), 0, -1) if module[:end] in table), None)

    for module, others in sorted(NEEDS.items()):
        if layer(module) is None:
            yield f"{'::'.join(module)} is in no layer of docs/architecture.md"
            continue
        for other in sorted(others):
            if layer(other) is not None and layer(module) > layer(other):
                yield f"{'::'.join(module)} needs {'::'.join(other)}, of a layer above it"


sys.setrecursionlimit(10_000)
FAULTS = list(faults())
print(*FAULTS, f"{len(NEEDS)} modules", sep="\n")
sys.exit(bool(FAULTS))
