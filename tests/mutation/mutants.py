"""Mutants: sources with one small fault, which a test ought to notice."""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from tests.mutation.operators import Change, changes_of, sql_changes

Scope = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Mutant:
    """A faulty source. id: stays as long as function, line and change are the same, wherever the file lies."""

    id: str
    module: str
    line: int
    where: str
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        before, after = (re.sub(r"\s+", " ", text) for text in _apart(self.before, self.after))
        return f"{self.module}:{self.line} {self.where}: {before}  →  {after}"


def mutants_of(source: str, module: str, functions: Sequence[str] = ()) -> list[Mutant]:
    """All mutants of a source in order of its lines, or only those in some of its functions."""
    encoded, lines, seen, made = source.encode(), source.splitlines(), Counter[str](), dict[str, Mutant]()
    begins = [0, *(at.end() for at in re.finditer(rb"\n", encoded))]
    for where, (node, text) in _changes(source):
        if functions and where not in functions:
            continue
        start = begins[node.lineno - 1] + node.col_offset
        end = begins[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        before, changed = encoded[start:end].decode(), (encoded[:start] + text.encode() + encoded[end:]).decode()
        key = "\0".join((where, lines[node.lineno - 1].strip(), before, text))
        seen[key] += 1
        number = hashlib.sha256(f"{key}\0{seen[key]}".encode()).hexdigest()[:8]
        made.setdefault(changed, Mutant(number, module, node.lineno, where, before, text, changed))
    return sorted(made.values(), key=lambda mutant: (mutant.line, mutant.id))


def drawn(mutants: Sequence[Sequence[Mutant]], count: int, seed: int = 1) -> list[Mutant]:
    """So many of the mutants of some modules, as many from each as can be, the same for the same seed.

    A mutant's place is a hash of its id, so that a change of one line does not draw all others anew.
    """

    def place(mutant: Mutant) -> str:
        return hashlib.sha256(f"{seed} {mutant.id}".encode()).hexdigest()

    in_turn = chain.from_iterable(zip_longest(*(sorted(of_module, key=place) for of_module in mutants)))
    return [mutant for mutant in in_turn if mutant is not None][:count]


def _changes(source: str) -> Iterator[tuple[str, Change]]:
    for top in ast.parse(source).body:
        parts = [part for part in top.body if isinstance(part, Scope)] if isinstance(top, ast.ClassDef) else []
        names = {id(node): f".{part.name}" for part in parts for node in ast.walk(part)}
        name = top.name if isinstance(top, Scope) else ""
        texts = [
            (text, other) for text in _texts(top) for other in sql_changes(ast.get_source_segment(source, text) or "")
        ]
        yield from ((name + names.get(id(node), ""), (node, other)) for node, other in [*changes_of(top), *texts])


def _texts(top: ast.AST) -> list[ast.expr]:
    """Strings that a program uses, those with values in them as a whole."""
    whole = [node for node in ast.walk(top) if isinstance(node, ast.JoinedStr)]
    inside = {id(part) for outer in ast.walk(top) if isinstance(outer, ast.JoinedStr | ast.Expr)
              for part in ast.iter_child_nodes(outer)}  # fmt: skip
    plain = [
        e for e in ast.walk(top) if isinstance(e, ast.Constant) and isinstance(e.value, str) and id(e) not in inside
    ]
    return [*whole, *plain]


def _apart(before: str, after: str) -> tuple[str, str]:
    """The texts, long ones without what they have in common at the beginning and the end."""
    if max(len(before), len(after)) < 100:
        return before, after
    same = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    begin = max(0, same - 30)
    return f"…{before[begin : same + 40]}…", f"…{after[begin : same + 40]}…"
