#!/usr/bin/env python3
"""Compares the imports of src/ with the tables of ARCHITECTURE.md.

    architecture.py [ROOT]

prints one line for each fault, and exits 1 if there is any. A fault is

- an import of a room in a higher layer, or in another room of the same layer;
- within a room whose files are ordered, an import of a file that comes later in the order;
- a cycle of imports between files, where a module and the modules in its folder, which
  always import each other, do not count;
- a file in src/ that the tables do not name, or a name in them that does not exist.

An import is a `use`, or a path in the code that begins with `crate`, `self`, `super`, the
library's name or a module. A name that a module only re-exports is an import of that module
and of the file that defines it. Each run first tries itself on the small trees at the end.
"""

import dataclasses
import pathlib
import re
import sys
import tempfile

LIBRARY = "rattle"

NO_CODE = re.compile(
    r"""//[^\n]* | /\*.*?\*/                       # comments
      | \bb?r(?P<fence>\#*)".*?"(?P=fence)         # raw strings
      | "(?:\\.|[^"\\])*"                          # strings
      | '(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\\n])'      # characters, but no lifetimes
    """,
    re.DOTALL | re.VERBOSE,
)
CODE = re.compile(
    r"""\bmod\s+(?P<mod>\w+)\s*\{
      | (?P<brace>[{}])
      | \buse\s+(?P<use>[^;]+);
      | \b(?:fn|struct|enum|union|trait|type|const|static|macro_rules!)\s+
        (?P<item>(?!(?:fn|mut|unsafe|async)\b)[A-Za-z_]\w*)
      | (?<![\w:.])(?P<path>[A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)+)
    """,
    re.VERBOSE,
)


def main():
    self_test()
    default = pathlib.Path(__file__).resolve().parents[1]
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    found = faults(root)
    for fault in found:
        print(fault)
    return 1 if found else 0


def faults(root):
    layers, orders = tables((root / "ARCHITECTURE.md").read_text())
    sources = Sources(root / "src")
    imports = sources.imports()
    return [
        *misnamed(root / "src", sources, layers, orders),
        *upward(imports, layers),
        *out_of_order(imports, orders),
        *cycles(sources, imports),
    ]


def tables(text):
    """The rooms of each layer, lowest first, and the order of the files in the rooms that have one."""
    layers, orders = [], {}
    header = None
    for line in text.splitlines():
        if not line.startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if header is None:
            header = cells[0]
        elif header == "Layer" and names(cells[1]):
            layers.append(names(cells[1]))
        elif header == "Room" and names(cells[0]):
            orders[names(cells[0])[0]] = names(cells[1])
    if not layers:
        raise SystemExit("ARCHITECTURE.md has no table that begins with `Layer`")
    return layers, orders


def names(cell):
    return [name.removesuffix(".rs").rstrip("/") for name in re.findall(r"`([^`]+)`", cell)]


def misnamed(src, sources, layers, orders):
    rooms = [room for layer in layers for room in layer]
    named = rooms + [f"{room}/{name}" for room, order in orders.items() for name in order]
    for name in named:
        if named.count(name) > 1:
            yield f"ARCHITECTURE.md names `{name}` more than once"
        if not (src / name).is_dir() and not (src / f"{name}.rs").is_file():
            yield f"ARCHITECTURE.md names `{name}`, which src/ does not have"
    for file in sources.files:
        if file != "lib.rs" and room_of(file) not in rooms:
            yield f"src/{file}: no layer of ARCHITECTURE.md names `{room_of(file)}`"
        for room, order in orders.items():
            place = place_in(room, file)
            if place is not None and place not in order:
                yield f"src/{file}: the order of `{room}` does not name `{place}`"


def upward(imports, layers):
    height = {room: layer for layer, rooms in enumerate(layers, 1) for room in rooms}
    for (file, target), line in imports.items():
        room, other = room_of(file), room_of(target)
        low, high = height.get(room), height.get(other)
        if room != other and low is not None and high is not None and low <= high:
            word = "a higher" if low < high else "the same"
            yield (
                f"src/{file}:{line}: `{room}` (layer {low}) imports {target} "
                f"of {word} layer ({high})"
            )


def out_of_order(imports, orders):
    for (file, target), line in imports.items():
        for room, order in orders.items():
            place, other = place_in(room, file), place_in(room, target)
            if place in order and other in order and order.index(place) < order.index(other):
                yield f"src/{file}:{line}: imports {target}, which stands after it in `{room}`"


def room_of(file):
    parts = file.removesuffix(".rs").split("/")
    return "/".join(parts[: 2 if parts[0] == "bin" else 1])


def place_in(room, file):
    """The name of `file` in the order of `room`, or None for the room's own module."""
    if not file.startswith(f"{room}/"):
        return None
    name = file.removeprefix(f"{room}/").split("/")[0].removesuffix(".rs")
    return None if name in ("mod", "main") else name


def cycles(sources, imports):
    """For each group of files that import each other, the shortest cycle through its first file."""
    arrows = {file: [] for file in sources.files}
    for file, target in imports:
        if not sources.is_family(file, target):
            arrows[file].append(target)
    reported = set()
    for file in sources.files:
        cycle = None if file in reported else shortest_way_back(file, arrows)
        if cycle:
            reached = reachable(file, arrows)
            group = {other for other in reached if file in reachable(other, arrows)}
            reported |= group
            yield f"a cycle of imports, {len(group)} files in all: " + " -> ".join(cycle)


def shortest_way_back(file, arrows):
    ways = [[file]]
    seen = set()
    for way in ways:
        for target in arrows[way[-1]]:
            if target == file:
                return [*way, file]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return None


def reachable(file, arrows):
    found, waiting = set(), [file]
    while waiting:
        for target in arrows[waiting.pop()]:
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


@dataclasses.dataclass
class Module:
    """A module with its own file or inside the file of another."""

    file: str
    items: set = dataclasses.field(default_factory=set)
    # Names that a `use` imports, with their paths, and the paths of `use …::*`.
    bindings: dict = dataclasses.field(default_factory=dict)
    globs: list = dataclasses.field(default_factory=list)


class Sources:
    """All modules under src/. A path is the crate's name and then the names of the modules."""

    def __init__(self, src):
        self.files = sorted(path.relative_to(src).as_posix() for path in src.rglob("*.rs"))
        self.modules = {}
        # (module, path, line) of each import, resolved once all modules are known.
        self.paths = []
        for file in self.files:
            self.read(module_path(file), file, (src / file).read_text())

    def read(self, path, file, text):
        code = NO_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
        self.modules[path] = Module(file)
        inside = []  # For each open brace: the name of the module that it opens, or None.
        for token in CODE.finditer(code):
            here = (*path, *(name for name in inside if name))
            module = self.modules[here]
            line = code.count("\n", 0, token.start()) + 1
            if token["mod"]:
                inside.append(token["mod"])
                self.modules[(*here, token["mod"])] = Module(file)
            elif token["brace"] == "{":
                inside.append(None)
            elif token["brace"] == "}":
                inside.pop()
            elif token["item"]:
                if None not in inside:
                    module.items.add(token["item"])
            elif token["use"]:
                for segments, alias in use_tree(token["use"]):
                    self.paths.append((here, segments, line))
                    if alias == "*":
                        module.globs.append(segments)
                    else:
                        module.bindings[alias] = segments
            else:
                self.paths.append((here, re.split(r"\s*::\s*", token["path"]), line))

    def imports(self):
        """The line of the first import for each pair of files."""
        found = {}
        for module, path, line in self.paths:
            file = self.modules[module].file
            for target in sorted(self.resolve(module, path, set())):
                if target != file:
                    found.setdefault((file, target), line)
        return found

    def resolve(self, module, path, seen):
        """The files that a path in `module` leads through, or none if it leads out of the package."""
        first = path[0]
        if first == "crate":
            return self.walk(module[:1], path[1:], seen)
        if first == LIBRARY and module[0] != LIBRARY:
            return self.walk((LIBRARY,), path[1:], seen)
        if first in ("self", "super"):
            return self.walk(module, path, seen)
        if (*module, first) in self.modules:
            return self.walk((*module, first), path[1:], seen)
        return self.follow(module, first, path[1:], seen) or set()

    def walk(self, module, path, seen):
        for i, name in enumerate(path):
            if name == "super":
                module = module[:-1]
            elif (*module, name) in self.modules:
                module = (*module, name)
            elif name != "self":
                beyond = self.follow(module, name, path[i + 1 :], seen) or set()
                return {self.modules[module].file} | beyond
        return {self.modules[module].file}

    def follow(self, module, name, rest, seen):
        """The files behind a name that a `use` of `module` imports, or None if none imports it."""
        if (module, name) in seen or name in self.modules[module].items:
            return None
        seen = seen | {(module, name)}
        if name in self.modules[module].bindings:
            return self.resolve(module, [*self.modules[module].bindings[name], *rest], seen)
        for glob in self.modules[module].globs:
            source = self.module_at(module, glob)
            if source is None:
                continue
            if (*source, name) in self.modules or name in self.modules[source].items:
                return self.walk(source, [name, *rest], seen)
            beyond = self.follow(source, name, rest, seen)
            if beyond is not None:
                return beyond
        return None

    def module_at(self, module, path):
        if path[0] == "crate":
            module, path = module[:1], path[1:]
        elif path[0] == LIBRARY and module[0] != LIBRARY:
            module, path = (LIBRARY,), path[1:]
        for name in path:
            if name == "super":
                module = module[:-1]
            elif name != "self":
                module = (*module, name)
        return module if module in self.modules else None

    def is_family(self, file, other):
        """Whether one of two files is the module above the other."""
        one, two = sorted((module_path(file), module_path(other)), key=len)
        return two[: len(one)] == one


def module_path(file):
    parts = file.removesuffix(".rs").split("/")
    if parts[0] == "bin":
        crate, parts = "/".join(parts[:2]), parts[2:]
    elif file == "main.rs":
        crate = "main"
    else:
        crate = LIBRARY
    if parts and parts[-1] in ("mod", "main", "lib"):
        parts = parts[:-1]
    return (crate, *parts)


def use_tree(text):
    """`a::{self, b as c, d::*}` is a as a, a::b as c, a::d as *."""
    tokens = re.findall(r"\w+|\*|[{},]", text)

    def tree(before):
        segments, alias = list(before), None
        while tokens and tokens[0] not in ("}", ","):
            token = tokens.pop(0)
            if token == "{":
                while tokens[0] != "}":
                    yield from tree(segments)
                    if tokens[0] == ",":
                        tokens.pop(0)
                tokens.pop(0)
                return
            if token == "as":
                alias = tokens.pop(0)
            elif token == "*":
                alias = "*"
            elif token != "self" or not segments:
                segments.append(token)
        if segments:
            yield segments, alias or segments[-1]

    return list(tree([]))


TABLES = """
| Layer | Rooms |
|---|---|
| 1 | `text` |
| 2 | `core/` |
| 3 | `store/`, `shell/` |
| 4 | `bin/tool/`, `main.rs` |

| Room | Files |
|---|---|
| `core` | `low`, `middle`, `high` |
"""

SOUND = {
    "lib.rs": "mod core; mod shell; mod store; mod text;",
    "text.rs": "pub struct Text; // use crate::core::high::High;",
    "core/mod.rs": "mod high; mod low; mod middle; pub use high::High; pub use low::Low;",
    "core/low.rs": 'use crate::text::Text; pub struct Low; const A: &str = "crate::store::x";',
    "core/middle.rs": "use super::Low; pub struct Middle;",
    "core/high.rs": "use super::{low::Low, middle::Middle as M}; pub struct High;",
    "store/mod.rs": "use crate::core::{self, High}; mod disk; fn f() -> core::Low {}",
    "store/disk.rs": "use super::*; use crate::text; fn f<'a>(c: char) { c == '\"' }",
    "shell/mod.rs": "mod tests { use super::*; }",
    "bin/tool/main.rs": "mod part; use rattle::store::f; fn g() {}",
    "bin/tool/part.rs": "use crate::g;",
    "main.rs": "use rattle::shell;",
}

# Changes to the correct tree, each with a fault that it must cause.
BROKEN = [
    (
        {"text.rs": "\nuse crate::store::f;"},
        "src/text.rs:2: `text` (layer 1) imports store/mod.rs of a higher layer (3)",
    ),
    (
        {"core/low.rs": "fn f() { crate::shell::f() }"},
        "src/core/low.rs:1: `core` (layer 2) imports shell/mod.rs of a higher layer (3)",
    ),
    (
        {"shell/mod.rs": "use crate::store;"},
        "src/shell/mod.rs:1: `shell` (layer 3) imports store/mod.rs of the same layer (3)",
    ),
    (
        {"core/middle.rs": "use crate::{text::Text, core::High};", "core/high.rs": ""},
        "src/core/middle.rs:1: imports core/high.rs, which stands after it in `core`",
    ),
    (
        {
            "store/mod.rs": "pub use disk::*; pub use tape::Tape; mod disk; mod tape; mod drum;",
            "store/disk.rs": "pub struct Disk; use super::Tape;",
            "store/tape.rs": "pub struct Tape; use super::drum; fn f() { drum::g() }",
            "store/drum.rs": "mod inner { use super::super::Disk; } pub fn g() {}",
        },
        "a cycle of imports, 3 files in all: "
        "store/disk.rs -> store/tape.rs -> store/drum.rs -> store/disk.rs",
    ),
    (
        {"other/mod.rs": ""},
        "src/other/mod.rs: no layer of ARCHITECTURE.md names `other`",
    ),
    (
        {"core/extra.rs": ""},
        "src/core/extra.rs: the order of `core` does not name `extra`",
    ),
    (
        {"core/high.rs": None},
        "ARCHITECTURE.md names `core/high`, which src/ does not have",
    ),
]


def self_test():
    for changes, expected in [({}, None), *BROKEN]:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "ARCHITECTURE.md").write_text(TABLES)
            for name, text in {**SOUND, **changes}.items():
                if text is not None:
                    file = root / "src" / name
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(text)
            found = faults(root)
        if (expected not in found) if changes else found:
            raise SystemExit(f"the self-test expected {expected!r} and found {found}")


if __name__ == "__main__":
    sys.exit(main())
