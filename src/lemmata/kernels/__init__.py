"""Operations that are worth a kernel, one file each: the plain PyTorch form first, GPU forms beside it."""

__all__: list[str] = []
