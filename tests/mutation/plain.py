"""Decorated functions written without their decorators, since mutmut passes over the former."""

from __future__ import annotations

import ast

KNOWN = ("staticmethod", "classmethod")


def plain(source: str) -> str:
    """The same module with ``@wrap`` above ``def f`` written as ``f = wrap(f)`` below it."""
    return ast.unparse(ast.fix_missing_locations(_Plain().visit(ast.parse(source))))


class _Plain(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if not node.decorator_list or any(ast.unparse(d) in KNOWN for d in node.decorator_list):
            return node
        wrapped: ast.expr = ast.Name(node.name, ast.Load())
        for decorator in reversed(node.decorator_list):
            wrapped = ast.Call(decorator, [wrapped], [])
        node.decorator_list = []
        return [node, ast.Assign([ast.Name(node.name, ast.Store())], wrapped)]
