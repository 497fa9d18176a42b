"""A module written without decorators does what it did."""

from tests.mutation.plain import plain

SOURCE = '''
from functools import cached_property, lru_cache

def twice(f):
    return lambda *a: 2 * f(*a)

def plus(n):
    return lambda f: lambda *a: n + f(*a)

@twice
@plus(1)
def f(x):
    """Kept."""
    return x

class C:
    @cached_property
    def p(self):
        return [f(3)]

    @property
    def q(self):
        return self.p

    @staticmethod
    def s(x):
        return x
'''


def test_decorators_are_applied_in_their_order_and_properties_stay_properties():
    text = plain(SOURCE)
    assert text.count("@") == 1 and "@staticmethod" in text
    space = {}
    exec(text, space)
    assert space["f"](3) == 8
    made = space["C"]()
    assert made.q == [8] and made.p is made.p and space["C"].s(4) == 4
