#!/usr/bin/env python3
"""Import graph of the Rust sources, drawn from their `use` lines. Exits with 1 if files import each other in a cycle.

A path is resolved to the file of the deepest module it names; a name that a module re-exports (`pub use`) counts as an import of the
file that defines it. Test modules (`*_tests.rs`, `tests.rs`, `#[cfg(test)]`) are left out, as are glob imports inside them. A module's
file may declare its children without importing from them.

Usage: scripts/arrows.py [--list]    (--list prints every arrow: FILE -> FILE)
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVER = sorted(ROOT.glob("server/*/src"))
CRATES = {src.parent.name: src for src in (ROOT / "shared/src", ROOT / "app/src", ROOT / "server/src", *SERVER)}


def modules(name, folder):
    """Maps each module path, such as ("server", "pod", "master"), to its file."""
    found = {}
    for file in sorted(folder.rglob("*.rs")):
        parts = list(file.relative_to(folder).with_suffix("").parts)
        if parts[-1] in ("mod", "lib"):
            parts.pop()
        if file.stem == "main":
            continue
        found[(name, *parts)] = file
    return found


def code(text):
    """The text without tests, comments and strings."""
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r'"(?:\\.|[^"\\])*"', '""', text)
    test = r"#\[cfg\(test\)\](?:\s*#\[[^\n]*\])*\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+\s*"
    return re.split(test + r"\{", re.sub(test + ";", "", text))[0]


def spread(tree):
    """The paths of a use tree: `a::{b, c::d}` becomes a::b and a::c::d. An alias is dropped."""
    tree = tree.strip()
    opening = tree.find("{")
    if opening < 0:
        return [re.sub(r"\s+as\s+\w+$", "", tree)]
    prefix, inner = tree[:opening], tree[opening + 1 : tree.rfind("}")]
    parts, depth, start = [], 0, 0
    for at, char in enumerate(inner + ","):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            if inner[start:at].strip():
                parts.append(inner[start:at])
            start = at + 1
    return [prefix + path for part in parts for path in spread(part)]


def is_test(file):
    return file.stem == "tests" or file.stem.endswith("_tests") or "/tests/" in str(file)


MODULES = {path: file for name, folder in CRATES.items() for path, file in modules(name, folder).items()}
TEXTS = {path: code(file.read_text()) for path, file in MODULES.items() if not is_test(file)}
EXPORTS = {}


def absolute(module, path):
    """A path as written in a module, from its crate's root; None if it leads out of these crates."""
    parts = [part for part in path.replace(" ", "").split("::") if part]
    if not parts:
        return None
    head, rest = parts[0], parts[1:]
    if head == "crate":
        return (module[0], *rest)
    if head in ("self", "super"):
        base = module
        while parts and parts[0] in ("self", "super"):
            base = base[:-1] if parts[0] == "super" else base
            parts = parts[1:]
        return (*base, *parts)
    # A module hides a crate of the same name, except from a path that begins with `::`.
    if (*module, head) in MODULES and not path.strip().startswith("::"):
        return (*module, *parts)
    return tuple(parts) if head in CRATES else None


def uses(module):
    for match in re.finditer(r"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", TEXTS[module]):
        for path in spread(match.group(2)):
            target = absolute(module, path)
            if target:
                yield bool(match.group(1)), target


def resolve(target, seen=()):
    """The module whose file defines what a path names."""
    for length in range(len(target), 0, -1):
        owner = target[:length]
        if owner in MODULES:
            rest = target[length:]
            if rest and rest[0] != "self":
                exported = EXPORTS.get(owner, {}).get(rest[0])
                if exported and exported not in seen:
                    return resolve((*exported, *rest[1:]), (*seen, exported))
            return owner
    return None


def graph():
    for module in TEXTS:
        EXPORTS[module] = {target[-1]: target for public, target in uses(module) if public}
    arrows = {module: set() for module in TEXTS}
    for module in TEXTS:
        for public, target in uses(module):
            owner = resolve(target)
            reexport = public and owner and owner[: len(module)] == module
            if owner in TEXTS and owner != module and not reexport:
                arrows[module].add(owner)
    return arrows


def cycles(arrows):
    """Strongly connected components of more than one module (Tarjan 1972)."""
    index, low, stack, on, found = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for other in arrows[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = []
            while True:
                other = stack.pop()
                on.remove(other)
                component.append(other)
                if other == node:
                    break
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(arrows):
        if node not in index:
            visit(node)
    return found


def main():
    sys.setrecursionlimit(10_000)
    arrows = graph()
    name = "::".join
    if "--list" in sys.argv[1:]:
        for module in sorted(arrows):
            for other in sorted(arrows[module]):
                print(f"{name(module)} -> {name(other)}")
    found = cycles(arrows)
    for component in found:
        print(f"cycle of {len(component)} files:")
        for module in component:
            into = ", ".join(name(other) for other in sorted(arrows[module]) if other in component)
            print(f"  {name(module)} -> {into}")
    print(f"{len(arrows)} files, {sum(map(len, arrows.values()))} arrows, {len(found)} cycles")
    sys.exit(1 if found else 0)


main()
