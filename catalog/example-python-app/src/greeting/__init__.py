"""Greets."""

__version__ = "1.0.0"


def greet(name: str) -> str:
    """Returns a greeting."""
    return f"hello, {name}"
