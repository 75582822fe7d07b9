"""Small mistakes that could be in a source file: each is one change of its text.

Python is changed as its syntax tree says, SQL within string literals by pattern: what decides most
here is SQL. Log lines, crash points, annotations and docstrings are left as they are.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`before` at `start` of the text becomes `after`."""

    start: int
    before: str
    after: str
    line: int
    owner: str  #: the qualified name of the function around it, or the module's name it is part of

    def applied_to(self, source: str) -> str:
        return source[: self.start] + self.after + source[self.start + len(self.before) :]


_OTHER_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OTHER_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_OTHER_FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}

_COMPARED = r"(?: (?:[<>]=?|=) [\w.:']+| IS (?:NOT )?NULL)"
_SQL = re.compile(r"\b(SELECT|WHERE|UPDATE|AND|NOT|EXISTS|JOIN)\b")
#: What is found, and what it becomes.
_SQL_CHANGES = [
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        (r"(?<= )<(?= )", "<="),
        (r"(?<= )<=(?= )", "<"),
        (r"(?<= )>(?= )", ">="),
        (r"(?<= )>=(?= )", ">"),
        (r"(?<= )<>(?= )", "="),
        (r"(?:(?<=WHERE)|(?<=AND)|(?<=WHEN)|(?<=OR)) ([\w.]+) =(?= )", r" \1 <>"),
        (r"\bNOT (?!NULL|EXISTS|KEY)", ""),
        (r"(?<!NOT )\bEXISTS\b", "NOT EXISTS"),
        (r"\bNOT EXISTS\b", "EXISTS"),
        (r"\bIS NULL\b", "IS NOT NULL"),
        (r"\bIS NOT NULL\b", "IS NULL"),
        (r"\bAND\b", "OR"),
        (r"\bOR\b", "AND"),
        (r"^ *AND (?:[^()\n]|\([^()\n]*\))+$", ""),
        (rf"(?<!^)(?<=\S) AND (?:NOT )?[{{\w][\w.}}]*{_COMPARED}?", ""),
        (r"\bleast\b", "greatest"),
        (r"\bgreatest\b", "least"),
        (r"\bmin\b", "max"),
        (r"\bmax\b", "min"),
        (r"(?<= )\+(?= )", "-"),
        (r"(?<= )-(?= )", "+"),
        (r"\bDESC\b", "ASC"),
        (r"\bORDER BY [^{}()\n]+", ""),
        (r" (?:FOR (?:NO KEY )?UPDATE|FOR SHARE)\b[\w, ]*", ""),
        (r" SKIP LOCKED", ""),
        (r"\bLIMIT :?\w+", ""),
        (r"\bDISTINCT\b", ""),
        (r"\btrue\b", "false"),
        (r"\bfalse\b", "true"),
    )
]


def changes_of(source: str) -> list[Change]:
    """Every change of a module's text, in the order of the text."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    found = {(each.start, each.before, each.after): each for each in finder.found}
    return sorted(found.values(), key=lambda each: (each.start, each.before, each.after))


class _Finder(ast.NodeVisitor):
    def __init__(self, source: str) -> None:
        self.found: list[Change] = []
        self._source = source
        self._line_starts = [0]
        for line in source.splitlines(keepends=True):
            self._line_starts.append(self._line_starts[-1] + len(line))
        self._scopes: list[str] = []

    def _offset(self, line: int, column: int) -> int:
        start = self._line_starts[line - 1]
        text = self._source[start : self._line_starts[line]]
        return start + len(text.encode()[:column].decode())

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, str]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._offset(node.lineno, node.col_offset)
        return start, self._source[start : self._offset(node.end_lineno, node.end_col_offset)]

    def _note(self, start: int, before: str, after: str) -> None:
        if before != after:
            line = self._source.count("\n", 0, start) + 1
            owner = ".".join(self._scopes)
            self.found.append(
                Change(start=start, before=before, after=after, line=line, owner=owner)
            )

    def _becomes(self, node: ast.expr | ast.stmt, after: str) -> None:
        self._note(*self._span(node), after)

    # What stands around: whose the changes are, and what is left alone.

    def _visit_scope(self, node: ast.FunctionDef | ast.ClassDef, marker: tuple[str, ...]) -> None:
        self._scopes += [node.name, *marker]
        for statement in node.body:
            self.visit(statement)
        del self._scopes[-1 - len(marker) :]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_scope(node, ("<locals>",))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_scope(node, ())

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._visit_assigned(node.target, node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        if not isinstance(node.targets[0], ast.Name):
            self._becomes(node, "pass")
        self._visit_assigned(node.targets[0], node.value)

    def _visit_assigned(self, target: ast.expr, value: ast.expr) -> None:
        is_constant = not self._scopes and isinstance(target, ast.Name)
        if is_constant:
            assert isinstance(target, ast.Name)
            self._scopes.append(target.id)
        self.visit(value)
        if is_constant:
            self._scopes.pop()

    # Statements.

    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value
        if not isinstance(call, ast.Call) or _is_left_alone(call):
            return
        self._becomes(node, "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._becomes(node, "pass")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._becomes(node, "pass")

    def visit_Continue(self, node: ast.Continue) -> None:
        self._becomes(node, "break")

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and ast.unparse(node.value) not in ("None", "True", "False"):
            self._becomes(node, "return None")
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def _negate(self, test: ast.expr) -> None:
        if not isinstance(test, ast.Compare | ast.UnaryOp):
            self._becomes(test, f"not ({self._span(test)[1]})")

    # Expressions.

    def visit_Compare(self, node: ast.Compare) -> None:
        for place, operator in enumerate(node.ops):
            for other in _OTHER_COMPARISONS[type(operator)]:
                operators = [*node.ops[:place], other(), *node.ops[place + 1 :]]
                changed = ast.Compare(node.left, operators, node.comparators)
                self._becomes(node, ast.unparse(changed))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self._becomes(node, f"({ast.unparse(ast.BoolOp(other, node.values))})")
        for place in range(len(node.values)):
            rest = [*node.values[:place], *node.values[place + 1 :]]
            kept = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
            self._becomes(node, f"({ast.unparse(kept)})")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self._becomes(node, f"({self._span(node.operand)[1]})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        other = _OTHER_ARITHMETIC.get(type(node.op))
        if other is not None:
            self._becomes(node, f"({ast.unparse(ast.BinOp(node.left, other(), node.right))})")
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.slice, ast.Slice):
            bounds = node.slice
            for lower, upper in ((None, bounds.upper), (bounds.lower, None)):
                cut = ast.Subscript(node.value, ast.Slice(lower, upper, bounds.step), node.ctx)
                self._becomes(node, ast.unparse(cut))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in _OTHER_FUNCTIONS:
            self._becomes(node.func, _OTHER_FUNCTIONS[node.func.id])
        if isinstance(node.func, ast.Attribute) and node.func.attr == "where":
            for place in range(len(node.args)):
                rest = [*node.args[:place], *node.args[place + 1 :]]
                self._becomes(node, ast.unparse(ast.Call(node.func, rest, node.keywords)))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._becomes(node, str(not node.value))
        elif isinstance(node.value, int | float):
            self._becomes(node, str(node.value + 1))
        elif isinstance(node.value, str):
            self._change_sql(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._change_sql(node)

    def _change_sql(self, node: ast.expr) -> None:
        start, literal = self._span(node)
        if not _SQL.search(literal):
            return
        for pattern, replacement in _SQL_CHANGES:
            for match in pattern.finditer(literal):
                self._note(start + match.start(), match.group(), match.expand(replacement))


def _is_left_alone(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    return name == "failpoint" or name.startswith("log.")


def lines_that_run(source: str, change: Change) -> list[range]:
    """Where a test has to come by to notice a change; in a function, up to the changed line.

    A change of a constant is noticed in the functions that read it.
    """
    functions = {name: range(node.lineno + 1, _end(node)) for name, node in _functions(source)}
    owner = change.owner.split(".<locals>")[0]
    if owner in functions:
        return [range(functions[owner].start, change.line + 1)]
    readers = dict(_readers(source)).get(owner, set(functions))
    return [functions[name] for name in readers]


def _end(node: ast.FunctionDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno + 1


def _functions(source: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.FunctionDef):
                    yield f"{node.name}.{each.name}", each


def _readers(source: str) -> Iterator[tuple[str, set[str]]]:
    """Each constant of a module, with the functions that read it or what is made of it."""
    reads = {
        node.targets[0].id: _names(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for constant in reads:
        made_of_it = {constant}
        while more := {name for name, read in reads.items() if read & made_of_it} - made_of_it:
            made_of_it |= more
        yield constant, {name for name, node in _functions(source) if _names(node) & made_of_it}


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
