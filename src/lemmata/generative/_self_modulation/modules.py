"""Batch norm whose scale and shift are functions of the generator's own input."""

from torch import Tensor, nn

from lemmata import _arguments as check

__all__ = ["SelfModBatchNorm2d"]


class SelfModBatchNorm2d(nn.Module):
    r"""Batch norm of a generator's layer, with scale and shift that depend on its input z, and on a class.

    .. math:: y = \gamma(z')\,\frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta(z'), \qquad
              z' = z + E_c + E'_c \odot z

    :math:`\mu` and :math:`\sigma^2` are those of :class:`torch.nn.BatchNorm2d`: of batch and places in
    training, running means in ``eval()``. :math:`\gamma` and :math:`\beta` are networks of one hidden layer
    of ReLU. Their last weights start at 0, with biases 1 and 0: a new layer **is** batch norm; the last
    weights learn from the first step on, the others from the second. :math:`E, E'` are embeddings of the
    class, which start at 0.

    NaN in a row of z spoils that row of y, and no running mean of this layer; in training the next layer's
    batch norm spreads it.

    Implements :prf:ref:`self-modulation-reduces`, :prf:ref:`self-modulation-size`.

    Args:
        channels: C of the input.
        nz: size of z.
        hidden: width of either hidden layer.
        num_classes: of labels that the layer also takes; None: no labels.
        eps, momentum: as of :class:`torch.nn.BatchNorm2d`.

    Shape:
        ``forward(x, z, labels=None)``: x ``(N, C, H, W)``, z ``(N, nz)``, labels int64 ``(N,)``, if and only
        if there are classes. The result has the shape and dtype of x; under autocast, too. z is taken in the
        dtype of the weights.

    Raises:
        TypeError: x or z is no tensor of real floating point, labels are not int64, a size is no int.
        ValueError: a shape that does not fit; labels outside of the classes, where they can be read; labels
            without classes, or classes without labels; in training, one value for each channel.
        RuntimeError: x of a dtype that batch norm does not mix with that of the layer (float64 with float32).

    Example:
        >>> x, z = torch.arange(8.0).view(2, 1, 2, 2), torch.ones(2, 3)
        >>> layer = SelfModBatchNorm2d(1, 3)
        >>> torch.equal(layer(x, z), torch.nn.BatchNorm2d(1)(x))
        True
    """

    def __init__(
        self,
        channels: int,
        nz: int,
        hidden: int = 32,
        num_classes: int | None = None,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
    ) -> None:
        super().__init__()
        self.channels, self.nz = check.at_least("channels", channels, 1), check.at_least("nz", nz, 1)
        self.hidden = check.at_least("hidden", hidden, 1)
        self.num_classes = None if num_classes is None else check.at_least("num_classes", num_classes, 1)
        eps = check.positive("eps", eps)
        momentum = None if momentum is None else check.number("momentum", momentum)
        self.norm = nn.BatchNorm2d(self.channels, eps=eps, momentum=momentum, affine=False)
        self.gamma, self.beta = self._network(1.0), self._network(0.0)
        if self.num_classes is not None:
            self.shift = nn.Embedding(self.num_classes, self.nz)
            self.scale = nn.Embedding(self.num_classes, self.nz)
            nn.init.zeros_(self.shift.weight)
            nn.init.zeros_(self.scale.weight)

    def _network(self, start: float) -> nn.Sequential:
        """One hidden layer, which gives ``start`` whatever z is."""
        last = nn.Linear(self.hidden, self.channels)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, start)
        return nn.Sequential(nn.Linear(self.nz, self.hidden), nn.ReLU(), last)

    def forward(self, x: Tensor, z: Tensor, labels: Tensor | None = None) -> Tensor:
        self._check(x, z, labels)
        z = z.to(next(self.gamma.parameters()).dtype)
        if labels is not None:
            z = z + self.shift(labels) + self.scale(labels) * z
        gamma, beta = self.gamma(z)[..., None, None], self.beta(z)[..., None, None]
        return (gamma * self.norm(x) + beta).to(x.dtype)

    def _check(self, x: Tensor, z: Tensor, labels: Tensor | None) -> None:
        check.floating("x", x)
        check.floating("z", z)
        if x.dim() != 4 or x.shape[1] != self.channels:
            raise ValueError(f"x must have shape (N, {self.channels}, H, W), got {tuple(x.shape)}")
        check.shape("z", z, (x.shape[0], self.nz), "x")
        if (labels is None) != (self.num_classes is None):
            asked = "None without num_classes" if self.num_classes is None else "given beside num_classes"
            raise ValueError(f"labels must be {asked}, got {type(labels).__name__}")
        if labels is not None and self.num_classes is not None:
            check.index("labels", labels)
            check.shape("labels", labels, (x.shape[0],), "x")
            check.within("labels", labels, self.num_classes)

    def extra_repr(self) -> str:
        return f"{self.channels}, {self.nz}, hidden={self.hidden}, num_classes={self.num_classes}"
