r"""Hard functions made soft: one-hot, argmax, step, sign, rounding, top-k, accuracy and the F-measure.

What holds for every function here:

* Tensors are float64, float32, bfloat16 or float16; other types raise TypeError. Half types are computed and
  summed in float32. The output has the dtype of the first argument. Autocast changes nothing.
* Arguments are never modified. Derivatives of any order, ``torch.func`` and ``torch.compile(fullgraph=True)``
  work.
* NaN gives NaN: where entries are compared, to the whole row. No infinite input makes a derivative NaN.
* ``sharpness`` is in (0, inf]. ``inf`` is the hard function, whose gradient is 0; beyond a millionth of the
  largest number (3e32 in float32) it counts as ``inf``.
* Values are checked (ValueError) on the CPU only, and not while compiling or under ``torch.func``: reading
  them elsewhere would wait for the device. Shapes and dtypes are checked everywhere.

Source: Su, kexue.fm 6620 (2019).
"""

import math

import torch
from torch import Tensor

from lemmata._checks import (
    broadcast,
    check_axis,
    check_floating,
    check_reduction,
    check_shape,
    check_sharpness,
    check_size,
    check_unit_interval,
    compute_dtype,
    readable,
    reduce_rows,
)
from lemmata.kernels.capped_simplex import capped_simplex, sigmoid
from lemmata.kernels.elementary_symmetric import log_symmetric
from lemmata.kernels.log_space import log_sum_exp, log_times

__all__ = [
    "smooth_accuracy",
    "smooth_fbeta",
    "smooth_sign",
    "smooth_step",
    "soft_argmax",
    "soft_one_hot",
    "soft_round",
    "soft_round_inverse",
    "soft_top_k",
]

# Between the sharpness, or 1 / temperature, and the largest number: second derivatives add some of them.
ROOM = 2.0**20


# --------------------------------------------------------------------------- which is the largest


def soft_one_hot(x: Tensor, *, sharpness: float, dim: int = -1) -> Tensor:
    r"""The one-hot vector of the largest entry, made smooth: :math:`p = \operatorname{softmax}(Kx)`.

    It is the gradient of the smooth maximum :math:`\frac1K\log\sum_i e^{Kx_i}`; its Jacobian
    :math:`K(\operatorname{diag}p - pp^\top)` has norm at most :math:`K/2`. The maximum is subtracted before
    the multiplication by K, so no sharpness overflows.

    Implements :prf:ref:`approximations-one-hot`, :prf:ref:`approximations-jacobian`.

    Args:
        x: any shape with at least one entry along ``dim``. ``-inf`` has weight 0; a row of nothing else gives
            zeros with gradient 0. Entries at ``inf`` share the weight equally, with gradient 0.
        sharpness: :math:`K`, in (0, inf]; ``inf`` shares equally among the largest.
        dim: the axis of the entries.

    Returns:
        The shape and the dtype of ``x``; sums to 1 along ``dim``.

    Raises:
        TypeError: ``x`` not floating point, ``sharpness`` not a number.
        ValueError: no entry along ``dim``; ``sharpness`` not positive.

    Example:
        >>> soft_one_hot(torch.tensor([1.0, 2.0, 4.0]), sharpness=1.0)
        tensor([0.0420, 0.1142, 0.8438])
        >>> soft_one_hot(torch.tensor([1.0, 4.0, 4.0]), sharpness=math.inf)
        tensor([0.0000, 0.5000, 0.5000])
    """
    dim = check_axis("x", x, dim)
    return _one_hot(_rows(x, dim), sharpness).to(x.dtype).movedim(-1, dim)


def soft_argmax(x: Tensor, *, sharpness: float, dim: int = -1, values: Tensor | None = None) -> Tensor:
    r"""The mean position under :func:`soft_one_hot`: :math:`\sum_i p_i v_i`, by default with :math:`v_i = i`.

    It is near the argmax only where one entry stands out: of two equal maxima it gives the middle.

    Implements :prf:ref:`approximations-argmax`.

    Args:
        x: as in :func:`soft_one_hot`; a row of ``-inf`` gives 0.
        sharpness: :math:`K`, in (0, inf].
        dim: the axis of the entries.
        values: the positions :math:`v`, finite; of one axis, which goes along ``dim``, or of more that
            broadcast to the shape of ``x``. They get their gradient. 0, 1, 2, ... if None.

    Returns:
        ``x`` without ``dim``, in the dtype of ``x``.

    Raises:
        TypeError: as in :func:`soft_one_hot`; ``values`` not a real tensor.
        ValueError: as in :func:`soft_one_hot`; ``values`` of a shape that does not fit.

    Example:
        >>> soft_argmax(torch.tensor([1.0, 2.0, 4.0, 2.0]), sharpness=5.0)
        tensor(2.0000)
        >>> soft_argmax(torch.tensor([9.0, 0.0, 9.0]), sharpness=5.0)
        tensor(1.)
    """
    dim = check_axis("x", x, dim)
    p = _one_hot(_rows(x, dim), sharpness)
    v = torch.arange(p.shape[-1], device=x.device) if values is None else _positions(values, x, dim)
    return (p * v.to(p.dtype)).sum(-1).to(x.dtype)


def _one_hot(x: Tensor, sharpness: float) -> Tensor:
    sharpness = _sharpness(sharpness, x)
    peak = x.detach().amax(-1, keepdim=True)
    gap = _above(x, peak)
    if sharpness == math.inf:
        p = _constant(torch.softmax(torch.where(gap < 0, -math.inf, gap).detach(), -1), x)
    else:
        p = torch.softmax(sharpness * gap, -1)
    return torch.where(peak == -math.inf, 0.0, p)


def _positions(values: Tensor, x: Tensor, dim: int) -> Tensor:
    if not isinstance(values, Tensor) or values.is_complex():
        kind = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"values must be a real tensor, got {kind}")
    if values.dim() == 1:
        return broadcast("values", values, (x.shape[dim],))
    return broadcast("values", values, x.shape).movedim(dim, -1)


# --------------------------------------------------------------------------- step, sign, rounding


def smooth_step(x: Tensor, *, sharpness: float) -> Tensor:
    r"""The step from 0 to 1, made smooth: :math:`\sigma(Kx)`.

    Implements :prf:ref:`approximations-step`.

    Args:
        x: any shape; ``-inf`` and ``inf`` give 0 and 1 with gradient 0.
        sharpness: :math:`K`, in (0, inf]; ``inf`` gives 0, 1/2 at :math:`x = 0`, and 1.

    Returns:
        The shape and the dtype of ``x``; in [0, 1].

    Raises:
        TypeError: ``x`` not floating point, ``sharpness`` not a number.
        ValueError: ``sharpness`` not positive.

    Example:
        >>> smooth_step(torch.tensor([-1.0, 0.0, 1.0]), sharpness=3.0)
        tensor([0.0474, 0.5000, 0.9526])
    """
    z = _elements(x)
    sharpness = _sharpness(sharpness, z)
    hard = sharpness == math.inf
    return (_constant((1 + torch.sign(z)) / 2, z) if hard else sigmoid(sharpness * z)).to(x.dtype)


def smooth_sign(x: Tensor, *, sharpness: float) -> Tensor:
    r"""The sign, made smooth: :math:`\tanh(Kx/2)`, which is twice :func:`smooth_step` minus 1.

    Implements :prf:ref:`approximations-step`.

    Args:
        x: any shape; ``-inf`` and ``inf`` give -1 and 1 with gradient 0.
        sharpness: :math:`K`, in (0, inf]; ``inf`` gives the sign, 0 at 0.

    Returns:
        The shape and the dtype of ``x``; in [-1, 1].

    Raises:
        TypeError: ``x`` not floating point, ``sharpness`` not a number.
        ValueError: ``sharpness`` not positive.

    Example:
        >>> smooth_sign(torch.tensor([-1.0, 0.0, 1.0]), sharpness=3.0)
        tensor([-0.9051,  0.0000,  0.9051])
    """
    z = _elements(x)
    sharpness = _sharpness(sharpness, z)
    if sharpness == math.inf:
        return _constant(torch.sign(z), z).to(x.dtype)
    size, negative = _distance(z)
    z = sharpness * size
    # the slope of tanh, 1 - tanh^2, loses its digits in the tail
    part = torch.where(z < 1, torch.tanh(z / 2), 1 - 2 * torch.sigmoid(-z))
    return torch.where(negative, -part, part).to(x.dtype)


def soft_round(x: Tensor, *, sharpness: float) -> Tensor:
    r"""Rounding, made smooth: strictly increasing, continuously differentiable, exact at integers and halves.

    .. math:: R_a(x) = \lfloor x\rfloor + \frac12 + \frac{\tanh(ar)}{2\tanh(a/2)},
              \qquad r = x - \lfloor x\rfloor - \frac12

    Computed from the distance :math:`u` to the nearest integer, as
    :math:`\pm\frac{1-e^{-2a|u|}}{1-e^{-a}}\,\sigma(a(2|u|-1))`: nothing cancels, so small numbers keep their
    digits. The slope at integers is :math:`a/\sinh a` from both sides.

    Implements :prf:ref:`approximations-soft-round`.

    Args:
        x: any shape; infinite entries stay, with gradient 0.
        sharpness: :math:`a`, in (0, inf]. The identity as it goes to 0; ``inf`` is :func:`torch.round`, which
            takes halves to the even neighbour (a finite sharpness leaves them where they are).

    Returns:
        The shape and the dtype of ``x``.

    Raises:
        TypeError: ``x`` not floating point, ``sharpness`` not a number.
        ValueError: ``sharpness`` not positive.

    Source: Agustsson and Theis, "Universally Quantized Neural Compression", arXiv:2006.09952 (2020).

    Example:
        >>> soft_round(torch.tensor([1.0, 1.3, 1.5, 1.7]), sharpness=5.0)
        tensor([1.0000, 1.1140, 1.5000, 1.8860])
    """
    z = _elements(x)
    a = max(_sharpness(sharpness, z), torch.finfo(z.dtype).eps)  # below it: the identity, up to rounding
    if a == math.inf:
        return torch.round(z).to(x.dtype)
    whole, m, negative = _nearest(z)
    part = torch.expm1(-a * (2 * m)) / math.expm1(-a) * torch.sigmoid(a * (2 * m - 1))
    return (whole + torch.where(negative, -part, part)).to(x.dtype)


def soft_round_inverse(y: Tensor, *, sharpness: float) -> Tensor:
    r"""The inverse of :func:`soft_round`.

    With :math:`v` the distance of :math:`y` to the nearest integer, that of the result is

    .. math:: \frac1{2a}\Bigl(\log\bigl(1+v(e^a-1)\bigr)-\log\bigl(1-v(1-e^{-a})\bigr)\Bigr),

    two terms of one sign. Where :math:`e^a` overflows, :math:`a` is taken out of the first logarithm.

    Implements :prf:ref:`approximations-soft-round`.

    Args:
        y: any shape; infinite entries stay, with gradient 0. The slope at integers is :math:`\sinh(a)/a`;
            where that overflows it is a number near the largest of the dtype.
        sharpness: :math:`a`, positive and finite: hard rounding has no inverse.

    Returns:
        The shape and the dtype of ``y``.

    Raises:
        TypeError: ``y`` not floating point, ``sharpness`` not a number.
        ValueError: ``sharpness`` not positive or not finite.

    Source: Agustsson and Theis, arXiv:2006.09952 (2020).

    Example:
        >>> soft_round_inverse(torch.tensor([1.0, 1.1140365, 1.5]), sharpness=5.0)
        tensor([1.0000, 1.3000, 1.5000])
    """
    z = _elements(y, "y")
    check_sharpness(sharpness)
    if sharpness == math.inf:
        raise ValueError("sharpness must be finite: hard rounding has no inverse; got inf")
    info = torch.finfo(z.dtype)
    a = max(sharpness, info.eps)  # below it: the identity, up to rounding
    whole, v, negative = _nearest(z)
    if a < math.log(info.max):
        m = (torch.log1p(v * math.expm1(a)) - torch.log1p(v * math.expm1(-a))) / (2 * a)
    else:
        inside = torch.where(v > 0, v, 0.5)
        m = 0.5 + (torch.log(inside + math.exp(-a)) - torch.log1p(-inside)) / (2 * a)
        m = torch.where(v > 0, m, v * info.max)
    return (whole + torch.where(negative, -m, m)).to(y.dtype)


def _nearest(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The nearest integer, the distance to it (0 from infinity), and whether x lies below it."""
    whole = torch.round(x)
    return whole, *_distance(torch.where(x.isinf(), 0.0, x - whole))


def _distance(u: Tensor) -> tuple[Tensor, Tensor]:
    """|u|, with slope 1 at 0 (that of abs is 0 there), and whether u is negative."""
    negative = u < 0
    return torch.where(negative, -u, u), negative


# --------------------------------------------------------------------------- which are the k largest


def soft_top_k(
    x: Tensor, k: int, *, temperature: float = 1.0, method: str = "subset", dim: int = -1
) -> Tensor:
    r"""The indicator of the k largest entries, made smooth: in [0, 1], with sum k, in the order of x.

    ``"subset"``: the probability to be in a subset of size k, :math:`P(T)\propto e^{\sum_T x/\tau}`, which is
    the gradient of :math:`\log e_k(e^{x/\tau})`. Computed from what the k largest lose to the others,
    :math:`\log\sum_j e_j(e^{-x_{\text{in}}/\tau})\,e_j(e^{x_{\text{out}}/\tau})`, so that nothing cancels.
    Time and memory grow with :math:`n\min(k, n-k)`.

    ``"sigmoid"``: :math:`\sigma((x-\nu)/\tau)` with the one :math:`\nu` that makes the sum k. It is the point
    of :math:`\{0\le p\le1,\ \sum p=k\}` with the largest :math:`\langle p,x\rangle/\tau` plus entropy of
    :math:`p` and :math:`1-p`. Time and memory grow with :math:`n` (but for a sort).

    Implements :prf:ref:`approximations-subset`, :prf:ref:`approximations-sigmoid`.

    Args:
        x: any shape with at least one entry along ``dim``. ``-inf`` is out (0); a row in which fewer than k
            entries remain has no subset of size k and gives zeros. ``inf`` is in (1); more than k of them
            share k equally. All of these have gradient 0.
        k: how many, 0 to n; 0 gives zeros and n ones.
        temperature: :math:`\tau`, in [0, inf). 0 gives the limit, zeros and ones, in which entries that tie
            for the last places share them equally, with gradient 0. Temperatures below a
            million times the smallest normal number (1e-32 in float32) count as that.
        method: ``"subset"`` or ``"sigmoid"``.
        dim: the axis of the entries.

    Returns:
        The shape and the dtype of ``x``. Sum, range and order hold up to rounding.

    Raises:
        TypeError: ``x`` not floating point, ``k`` not an int, ``temperature`` not a number.
        ValueError: no entry along ``dim``; ``k`` not in [0, n]; ``temperature`` negative, NaN or infinite; an
            unknown method.

    Source: Chen, Dempster and Liu, Biometrika 81 (1994) for the law on subsets; Amos, Koltun and Kolter, "The
    Limited Multi-Label Projection Layer", arXiv:1906.08707 (2019) for the projection.

    Example:
        >>> x = torch.tensor([2.0, 1.0, 4.0, 5.0, 3.0])
        >>> soft_top_k(x, 2)
        tensor([0.1154, 0.0433, 0.6746, 0.8705, 0.2961])
        >>> soft_top_k(x, 2, method="sigmoid")
        tensor([0.1693, 0.0697, 0.6009, 0.8036, 0.3565])
        >>> soft_top_k(torch.tensor([1.0, 2.0, 1.0, 1.0]), 2, temperature=0)
        tensor([0.3333, 1.0000, 0.3333, 0.3333])
    """
    dim = check_axis("x", x, dim)
    _check_top_k(k, x.shape[dim], temperature, method)
    rows = _rows(x, dim)
    if k == 0:
        p = _constant(torch.zeros_like(rows), rows)
    else:
        entries, order = rows.sort(-1, descending=True)
        p = _top_k_of_sorted(entries, k, temperature, method)
        p = torch.zeros_like(p).scatter(-1, order, p)
    return p.to(x.dtype).movedim(-1, dim)


def _top_k_of_sorted(x: Tensor, k: int, temperature: float, method: str) -> Tensor:
    last = x.detach()[..., k - 1 : k]
    gap = _above(x, last)
    if temperature == 0:
        above, level = (gap > 0).to(x.dtype), (gap == 0).to(x.dtype)
        share = (k - above.sum(-1, keepdim=True)) / level.sum(-1, keepdim=True)
        p = _constant(above + share * level, x)
    else:
        s = _centred(gap, k, temperature)
        if k == x.shape[-1]:
            p = _constant(torch.ones_like(s), s)
        else:
            p = _subset(s, k) if method == "subset" else capped_simplex(s, k)
    unknown = x[..., :1].isnan()  # NaN comes first
    return torch.where(unknown, math.nan, torch.where(last == -math.inf, 0.0, p))


def _centred(gap: Tensor, k: int, temperature: float) -> Tensor:
    """Finite scores: the k-th and the next are as far above 0 as below it."""
    info = torch.finfo(gap.dtype)
    top = info.max / 4
    s = (gap / min(max(temperature, info.tiny * ROOM), info.max)).clamp(-top, top)
    return s - s.detach()[..., k : k + 1].sum(-1, keepdim=True) / 2  # the k-th is 0; no next one counts as 0


def _subset(s: Tensor, k: int) -> Tensor:
    """The marginals of sorted scores: 1 for the first k, plus the derivative of what all of them change."""
    n, most = s.shape[-1], min(k, s.shape[-1] - k)

    def log_changes(s: Tensor) -> Tensor:
        leaving, joining = log_symmetric(-s[..., :k], most), log_symmetric(s[..., k:], most)
        return log_sum_exp(log_times(leaving, joining)).sum()

    return (torch.arange(n, device=s.device) < k) + torch.func.grad(log_changes)(s)


def _check_top_k(k: int, n: int, temperature: float, method: str) -> None:
    check_size("k", k)
    if k > n:
        raise ValueError(f"k must be at most the number of entries {n}, got {k}")
    if isinstance(temperature, bool) or not isinstance(temperature, int | float):
        raise TypeError(f"temperature must be a number, got {type(temperature).__name__}")
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature must be in [0, inf), 0 being the hard operation; got {temperature}")
    if method not in ("subset", "sigmoid"):
        raise ValueError(f"method must be 'subset' or 'sigmoid', got {method!r}")


# --------------------------------------------------------------------------- metrics


def smooth_accuracy(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    r"""The accuracy, made smooth: the probability :math:`\operatorname{softmax}(s)_t` of the right class.

    It is the expected accuracy of the classifier that draws its answer from the softmax. The gradient
    :math:`p(1-p)` in the right score vanishes where the classifier is surely right, and where it is surely
    wrong.

    Implements :prf:ref:`approximations-accuracy`.

    Args:
        input: scores ``(..., C)``. ``-inf`` has probability 0; a row of nothing else gives 0 with gradient 0.
            Scores at ``inf`` share the probability equally, with gradient 0.
        target: the right classes ``(...)``, int64 in [0, C).
        reduction: ``"none"`` gives ``(...)``; ``"mean"`` is the smooth accuracy (NaN for no rows); ``"sum"``.

    Returns:
        The smooth accuracy, in the dtype of ``input``.

    Raises:
        TypeError: ``input`` not floating point, ``target`` not int64.
        ValueError: shapes that do not fit, no classes, an unknown reduction, targets out of range.

    Example:
        >>> smooth_accuracy(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
        tensor(0.5749)
    """
    check_axis("input", input, -1)
    check_reduction(reduction)
    if target.dtype != torch.int64:
        raise TypeError(f"target must be int64, got {target.dtype}")
    check_shape("target", target, input.shape[:-1])
    if readable(target) and target.numel():
        low, high = (bound.item() for bound in torch.aminmax(target))
        if low < 0 or high >= input.shape[-1]:
            raise ValueError(f"target must be in [0, {input.shape[-1]}), got values from {low} to {high}")
    p = _one_hot(_rows(input, -1), 1.0).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return reduce_rows(p, reduction).to(input.dtype)


def smooth_fbeta(
    probabilities: Tensor, target: Tensor, *, beta: float = 1.0, dim: int | None = None
) -> Tensor:
    r"""The F-measure, made smooth: counts become sums of probabilities.

    .. math:: F_\beta = \frac{(1+\beta^2)\sum p\,t}{\beta^2\sum t + \sum p}

    At p in {0, 1} it is the F-measure itself. It is a ratio of sums, so its mean over mini-batches is not its
    value on all data.

    Implements :prf:ref:`approximations-fbeta`.

    Args:
        probabilities: :math:`p`, any shape, in [0, 1] (NaN raises there, too; where values are not checked it
            gives NaN).
        target: :math:`t`, of the same shape; bool, integer 0 or 1, or float in [0, 1], which gets its
            gradient.
        beta: weight of recall against precision, in [0, inf]; 0 is smooth precision, ``inf`` smooth recall.
        dim: the axis to sum over; None sums over all.

    Returns:
        In the dtype of ``probabilities``, without ``dim``. Where the denominator is 0 it is 0 with gradient
        0: without positives that is the limit as p goes to 0.

    Raises:
        TypeError: ``probabilities`` not floating point; ``beta`` not a number; ``dim`` not an int.
        ValueError: shapes that do not fit, no such axis, ``beta`` negative or NaN, values outside [0, 1].

    Example:
        >>> p, t = torch.tensor([0.9, 0.2, 0.6]), torch.tensor([1, 0, 1])
        >>> smooth_fbeta(p, t)
        tensor(0.8108)
    """
    _check_fbeta(probabilities, target, beta, dim)
    p = probabilities.to(compute_dtype(probabilities))
    t = target.to(p.dtype)
    axes = tuple(range(p.dim())) if dim is None else (dim,)
    hits, positives, predicted = ((v.sum(axes) if axes else v) for v in (p * t, t, p))
    square = float(beta) * beta
    total = (1.0 if square == math.inf else square / (1 + square)) * positives + predicted / (1 + square)
    nothing = total == 0
    fbeta = torch.where(nothing, 0.0, hits / torch.where(nothing, 1.0, total))
    return fbeta.to(probabilities.dtype)


def _check_fbeta(probabilities: Tensor, target: Tensor, beta: float, dim: int | None) -> None:
    check_floating("probabilities", probabilities)
    if tuple(target.shape) != tuple(probabilities.shape):
        shape = tuple(probabilities.shape)
        raise ValueError(f"target must have shape {shape} beside probabilities, got {tuple(target.shape)}")
    if isinstance(beta, bool) or not isinstance(beta, int | float):
        raise TypeError(f"beta must be a number, got {type(beta).__name__}")
    if not beta >= 0:
        raise ValueError(f"beta must be in [0, inf], got {beta}")
    if dim is not None:
        if not isinstance(dim, int) or isinstance(dim, bool):
            raise TypeError(f"dim must be an int or None, got {type(dim).__name__}")
        if not -probabilities.dim() <= dim < probabilities.dim():
            shape = tuple(probabilities.shape)
            raise ValueError(f"dim must be an axis of probabilities of shape {shape}, got {dim}")
    check_unit_interval("probabilities", probabilities)
    check_unit_interval("target", target)


# --------------------------------------------------------------------------- arguments, and infinity


def _elements(x: Tensor, name: str = "x") -> Tensor:
    check_floating(name, x)
    return x.to(compute_dtype(x))


def _rows(x: Tensor, dim: int) -> Tensor:
    return x.to(compute_dtype(x)).movedim(dim, -1)


def _sharpness(sharpness: float, x: Tensor) -> float:
    """The sharpness, within what the dtype of x can multiply; beyond it lies inf."""
    check_sharpness(sharpness)
    info = torch.finfo(x.dtype)
    return math.inf if sharpness > info.max / ROOM else max(sharpness, info.tiny)  # 0 times inf is NaN


def _above(x: Tensor, level: Tensor) -> Tensor:
    """x - level, where two infinities of one sign are equal: 0, with gradient 0."""
    return torch.where((x == level) & x.isinf(), 0.0, x - level)


def _constant(value: Tensor, x: Tensor) -> Tensor:
    """``value`` with gradient 0 in ``x``; NaN stays."""
    return torch.where(x.isnan(), x, value)
