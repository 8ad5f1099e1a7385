import ast
import operator
import sys

BINARY = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
}
UNARY = {ast.USub: operator.neg, ast.UAdd: operator.pos}


def value_of(node):
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.BinOp(left, op, right) if type(op) in BINARY:
            return BINARY[type(op)](value_of(left), value_of(right))
        case ast.UnaryOp(op, operand) if type(op) in UNARY:
            return UNARY[type(op)](value_of(operand))
    raise ValueError(f"{type(node).__name__} is not allowed")


for line in sys.stdin:
    line = line.strip()
    try:
        print(line, "=", value_of(ast.parse(line, mode="eval").body))
    except (ValueError, ZeroDivisionError) as error:
        print(line, "->", error)
    except SyntaxError:
        print(line, "-> not an expression")
