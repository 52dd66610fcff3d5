"""Mutants of a Python source: each changes one place, as a slip of the hand would."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
              ast.FloorDiv: ast.Mult}  # fmt: skip
ORDERLESS = {"max", "min", "isinstance", "refused", "cannot_write"}
"""Calls whose first two arguments may stand in either order, are types, or are words of errors."""

RETURNS_NOTHING = ("return", "return None")
OPPOSITES = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)
TEXTS = (ast.JoinedStr, ast.List, ast.Tuple)


@dataclass(frozen=True)
class Mutant:
    """A change at bytes `start` to `end`.

    `lines` are those of the statement that it is in, `inside` says whether that is in a function.
    """

    start: int
    end: int
    line: int
    lines: range
    inside: bool
    old: str
    new: str

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.new.encode() + source[self.end :]


def mutants(source: bytes) -> list[Mutant]:
    """Give all mutants of a module, in the order of its lines."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    found = []
    for statement, inside, node, new in _changes(tree):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        old = " ".join(source[start:end].decode().split())
        mutant = Mutant(start, end, node.lineno, _lines(statement), inside, old, new)
        try:
            ast.parse(mutant.applied(source))
        except SyntaxError:  # as a call that is replaced within a decorator
            continue
        found.append(mutant)
    return sorted(found, key=lambda mutant: (mutant.start, mutant.end, mutant.new))


def _lines(statement: ast.stmt) -> range:
    """The lines of a statement; of one with a body, those of its head."""
    body = getattr(statement, "body", None)
    end = max(statement.lineno, body[0].lineno - 1) if body else statement.end_lineno
    return range(statement.lineno, end + 1)


def _changes(tree: ast.Module) -> Iterator[tuple[ast.stmt, bool, ast.AST, str]]:
    """Give statements, whether in a function, the node that changes, and the text in its place."""
    for statement, inside in _statements(tree, inside=False):
        for new in _of_statement(statement):
            yield statement, inside, statement, new
        for node in _expressions(statement):
            for new in _of_expression(node):
                yield statement, inside, node, new
        if isinstance(statement, ast.If | ast.While) and not _flips(statement.test):
            yield statement, inside, statement.test, f"(not ({ast.unparse(statement.test)}))"


def _statements(node: ast.AST, *, inside: bool) -> Iterator[tuple[ast.stmt, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.stmt):
            yield child, inside
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _statements(child, inside=inside or isinstance(child, ast.FunctionDef))


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement itself, neither of its body nor of what only people read."""
    if isinstance(statement, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom):
        return
    waiting: list[ast.AST] = []
    if isinstance(statement, ast.FunctionDef):
        waiting = [*statement.args.defaults, *filter(None, statement.args.kw_defaults)]
    elif isinstance(statement, ast.AnnAssign):
        waiting = [statement.value] if statement.value else []
    elif not isinstance(statement, ast.ClassDef):
        waiting = list(ast.iter_child_nodes(statement))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt | ast.JoinedStr | ast.ExceptHandler | ast.match_case):
            continue
        if isinstance(node, ast.expr):
            yield node
        waiting += ast.iter_child_nodes(node)


def _of_statement(statement: ast.stmt) -> Iterator[str]:
    kept = ast.Constant | ast.Yield | ast.YieldFrom
    if isinstance(statement, ast.Expr):
        yield from () if isinstance(statement.value, kept) else ("pass",)
    elif isinstance(statement, ast.Raise | ast.AugAssign | ast.Delete):
        yield "pass"
    elif isinstance(statement, ast.Continue):
        yield "break"
    elif isinstance(statement, ast.Break):
        yield "continue"
    elif isinstance(statement, ast.Return) and ast.unparse(statement) not in RETURNS_NOTHING:
        yield "return None"


def _of_expression(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield from _of_constant(node.value)
    elif isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            changed = copy.copy(node)
            changed.ops = list(node.ops)
            changed.ops[place] = COMPARISONS[type(operator)]()
            yield ast.unparse(changed)
    elif isinstance(node, ast.BoolOp):
        other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        yield f"({ast.unparse(ast.BoolOp(other, node.values))})"
    elif isinstance(node, ast.IfExp):
        yield f"({ast.unparse(ast.IfExp(node.test, node.orelse, node.body))})"
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        if not any(_is_text(side) for side in (node.left, node.right)):
            yield ast.unparse(ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right))
    elif isinstance(node, ast.Call) and len(node.args) > 1:
        first, second, *rest = node.args
        orderless = ast.unparse(node.func).split(".")[-1] in ORDERLESS
        if not (orderless or any(isinstance(each, ast.Starred) for each in (first, second))):
            yield ast.unparse(ast.Call(node.func, [second, first, *rest], node.keywords))


def _of_constant(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield str(not value)
    elif isinstance(value, int | float):
        yield repr(value + 1)
        yield f"({value - 1!r})"


def _flips(test: ast.expr) -> bool:
    """Whether a comparison that is changed gives the opposite of what it gave."""
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], OPPOSITES)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, TEXTS) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
