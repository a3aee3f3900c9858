"""The small changes that make a mutant out of a source: each is one node of its syntax tree, written otherwise."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from copy import copy

COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
            ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip
COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.BitAnd: ast.BitOr,
            ast.BitOr: ast.BitAnd, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv}  # fmt: skip
PAIRS = ("min max", "minimum maximum", "any all", "ceil floor", "argmin argmax", "greatest least", "left right")
SWAPPED = {a: b for pair in PAIRS for a, b in (pair.split(), pair.split()[::-1])}
FILTERS = ("of", "where", "order_by", "limit", "filter", "desc", "known_at", "fill_null", "on_conflict_do_nothing")
WRAPPERS_LEFT_ALONE = (
    "isinstance",
    "len",
    "int",
    "float",
    "str",
    "bool",
    "range",
    "zip",
    "enumerate",
    "field",
    "super",
)
"""Without these a call is of another type, and any test fails."""
KEYWORDS_LEFT_ALONE = ("dtype", "strict")
SQL = re.compile(r"\b(SELECT|FROM|WHERE|ORDER BY|PARTITION BY|VACUUM|PRAGMA)\b")
SQL_CHANGES = tuple((re.compile(pattern), other) for pattern, other in (
    (r"\bAND\b", "OR"), (r"\bOR\b(?! REPLACE)", "AND"), (r"<>", "="), (r" > ", " >= "), (r"\bNOT (?!IN)", ""),
    (r"\bNOT IN\b", "IN"), (r"(?<= )WHERE IN\b", "WHERE NOT IN"), (r"\bmin\(", "max("), (r"\bmax\(", "min("),
    (r"\bgreatest\(", "least("), (r"NULLS FIRST", "NULLS LAST"), (r"arg_min", "arg_max"), (r"(?<=[ (])0(?=[ ,)])", "1"),
    (r"(?<=[ (])1(?=[ ,)\n\"])", "0"), (r"\bDESC\b", "ASC"), (r"TRUNCATE", "PASSIVE"), (r"UNION ALL", "INTERSECT"),
    (r"LEFT JOIN", "JOIN"), (r"first_value", "last_value"),
))  # fmt: skip
Change = tuple[ast.expr | ast.stmt, str]
"""A node, and the text that takes its place."""


def changes_of(tree: ast.AST) -> Iterator[Change]:
    """All changes in a tree, in order of its nodes; types, decorators, docstrings and messages are left alone."""
    for node in _nodes(tree):
        if isinstance(node, ast.stmt):
            yield from _of_statement(node)
        elif isinstance(node, ast.expr):
            yield from ((node, f"({text})") for text in _of_value(node))


def sql_changes(text: str) -> Iterator[str]:
    """A source text of a string that holds SQL, with one word of it changed."""
    if SQL.search(text):
        for pattern, other in SQL_CHANGES:
            for match in pattern.finditer(text):
                yield text[: match.start()] + other + text[match.end() :]


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "exc", "type") or isinstance(node, ast.JoinedStr):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_docstring(child):
                yield from _nodes(child)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _of_statement(node: ast.stmt) -> Iterator[Change]:
    match node:
        case ast.Expr(ast.Call(ast.Name("say"))):
            return  # a line of progress on a terminal
        case ast.Expr(ast.Call()) | ast.AugAssign() | ast.Assign([ast.Subscript()]):
            yield node, "pass"
        case ast.Assign([ast.Name(name)]) if any(
            isinstance(e, ast.Name) and e.id == name for e in ast.walk(node.value)
        ):
            yield node, "pass"
        case ast.If(test, [ast.Return() | ast.Raise() | ast.Continue()], []):
            yield test, "False"
            if not isinstance(test, ast.UnaryOp):
                yield test, f"(not ({ast.unparse(test)}))"
        case ast.If(test) if not isinstance(test, ast.UnaryOp):
            yield test, f"(not ({ast.unparse(test)}))"


def _of_value(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Compare(_, [op]) if type(op) in COMPARED:
            yield _with(node, ops=[COMPARED[type(op)]()])
        case ast.BinOp(_, op) if type(op) in COMPUTED:
            yield _with(node, op=COMPUTED[type(op)]())
        case ast.BoolOp(op):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            yield from (_with(node, values=[e for e in node.values if e is not value]) for value in node.values)
        case ast.UnaryOp(ast.USub() | ast.Invert() | ast.Not(), operand):
            yield ast.unparse(operand)
        case ast.IfExp(_, body, other):
            yield _with(node, body=other, orelse=body)
        case ast.Constant(value):
            yield from _of_constant(value)
        case ast.Call():
            yield from _of_call(node)


def _of_constant(value: object) -> Iterator[str]:
    match value:
        case bool():
            yield str(not value)
        case int():
            yield str(value + 1)
            yield str(value - 1)
        case float():
            yield repr(value / 2 if 0 < value < 1 else value + 1)
        case str() if value in SWAPPED:
            yield repr(SWAPPED[value])


def _of_call(call: ast.Call) -> Iterator[str]:
    """Another function, one argument less, or the first argument as it is."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in WRAPPERS_LEFT_ALONE:
        return
    if name in SWAPPED:
        other = copy(call.func)
        setattr(other, "attr" if isinstance(other, ast.Attribute) else "id", SWAPPED[name])
        yield _with(call, func=other)
    for keyword in call.keywords:
        if keyword.arg not in KEYWORDS_LEFT_ALONE:
            yield _with(call, keywords=[e for e in call.keywords if e is not keyword])
    if isinstance(call.func, ast.Attribute) and name in FILTERS and ast.unparse(call.func.value) != "np":
        yield ast.unparse(call.func.value)
    elif call.args and not isinstance(call.args[0], ast.Starred | ast.GeneratorExp) and not name[:1].isupper():
        yield from (
            ast.unparse(e) for e in (call.args if name in ("min", "max", "minimum", "maximum") else call.args[:1])
        )


def _with(node: ast.expr, **fields: object) -> str:
    changed = copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return ast.unparse(changed)
