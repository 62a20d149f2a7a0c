"""Numerical pieces that two or more chapters use, one idea a file, in plain PyTorch."""

__all__: list[str] = []
