r"""What random weights do to a signal: initialisers with exact laws, and the theory to check a network by.

A weight :math:`W` has shape (m, n), as in ``torch.nn.Linear``: fan_out is m, fan_in is n, and y = W x. With
independent entries of mean 0 and variance 1/m the *mean* of :math:`\|Wx\|^2` is :math:`\|x\|^2`. What that
does not say is here too: how far :math:`W^\top W` is from the identity, how the *typical* norm decays with
depth, and what becomes of the angle between two inputs.

What holds for every function here:

* Tensors are float64, float32, bfloat16 or float16; other types raise TypeError. Half types are drawn and
  computed in float32 and rounded once, at the end. Autocast changes nothing.
* Functions that end in ``_`` fill their argument in place, without a gradient, and return it. They leave
  meta tensors and tensors without entries as they are, and draw no random number for them.
* What depends on sizes alone is computed in float64 and returned as floats.

Source: Su, kexue.fm 7180 (2020), and what the functions name.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lemmata._checks import check_floating, check_size, compute_dtype

__all__ = [
    "LogNormDrift",
    "SingularValueEdges",
    "expected_gram_error",
    "fan_in_and_fan_out",
    "gram_error",
    "init_variance",
    "log_norm_drift",
    "orthogonal_",
    "relu_correlation",
    "residual_scale",
    "singular_value_edges",
    "truncated_normal_",
]


# --------------------------------------------------------------------------- variances

SQUARED_GAINS = {  # of torch.nn.init.calculate_gain, without the rounding of a square root
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 25 / 9,
    "relu": 2.0,
    "leaky_relu": 2.0,  # over 1 + slope^2
    "selu": 9 / 16,
}


def init_variance(
    fan_in: int,
    fan_out: int,
    *,
    mode: str = "fan_in",
    nonlinearity: str = "linear",
    param: float | None = None,
) -> float:
    r"""The variance of a weight's entries that keeps a norm through the layer: gain² / fan.

    ================ ===================== ==================================================
    ``mode``         fan                   keeps, before the nonlinearity's gain
    ================ ===================== ==================================================
    "fan_in"         fan_in                the root mean square of the coordinates, forward
    "fan_out"        fan_out               the norm forward, so the gradients' RMS backward
    "fan_avg"        their mean            neither, unless they are equal; their compromise
    ================ ===================== ==================================================

    The squared gain of ReLU, 2, is exact (half of a symmetric signal's square passes), so is that of leaky
    ReLU, :math:`2/(1+a^2)`; those of tanh, 25/9, and of SELU, 9/16, are torch's, and empirical.

    Implements :prf:ref:`initialization-norm`, :prf:ref:`initialization-fans`, :prf:ref:`initialization-relu`.

    Args:
        fan_in: how many inputs an output sums; at least 1.
        fan_out: how many outputs an input reaches; at least 1.
        mode: one of the table.
        nonlinearity: what follows the layer, by its name in :func:`torch.nn.init.calculate_gain`.
        param: the negative slope a of "leaky_relu", 0.01 unless given; others have none.

    Raises:
        ValueError: a fan of 0, where torch divides by 0 or does nothing; names that are not known; a
            ``param`` where there is none.

    Source: LeCun et al. (1998), Glorot and Bengio (2010), He et al. (2015).

    Example:
        >>> init_variance(512, 256, nonlinearity="relu") == 2 / 512
        True
        >>> init_variance(512, 256, mode="fan_avg") == 1 / 384
        True
    """
    for name, fan in (("fan_in", fan_in), ("fan_out", fan_out)):
        _check_least(name, fan, 1)
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    _check_known("mode", mode, fans)
    _check_known("nonlinearity", nonlinearity, SQUARED_GAINS)
    gain = SQUARED_GAINS[nonlinearity]
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else _number("param", param)
        gain /= 1 + slope * slope
    elif param is not None:
        raise ValueError(f"param must be None for nonlinearity {nonlinearity!r}, which has none, got {param}")
    return gain / fans[mode]


def fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output sums, and how many outputs an input reaches, by the shape of a weight.

    The shape is ``(out, in, *kernel)``, as of ``nn.Linear`` and ``nn.Conv*d``; both fans count the kernel's
    entries. As torch does, this takes a grouped convolution's fan_out g times too large (its ``out`` are
    shared among g groups), ignores strides, and reads a transposed convolution the wrong way round.

    Args:
        tensor: a weight with at least 2 dimensions (ValueError); only its shape is read.

    Example:
        >>> fan_in_and_fan_out(torch.empty(64, 3, 5, 5))
        (75, 1600)
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"tensor must be a tensor, got {type(tensor).__name__}")
    if tensor.dim() < 2:
        raise ValueError(f"tensor must have at least 2 dimensions (out, in), got shape {tuple(tensor.shape)}")
    fan_out, fan_in, *kernel = tensor.shape
    return fan_in * math.prod(kernel), fan_out * math.prod(kernel)


def residual_scale(depth: int, *, growth: float | None = None) -> float:
    r"""The factor on each of ``depth`` residual branches, h + scale · f(h), that bounds the signal's growth.

    Where a branch keeps the norm and is uncorrelated with its input, one block multiplies the mean square of
    the signal by :math:`1+\alpha^2`, and L blocks by

    .. math:: (1+\alpha^2)^L = \begin{cases} 2^L & \alpha = 1 \\
              (1+\tfrac1L)^L < e & \alpha = 1/\sqrt L \end{cases}

    Implements :prf:ref:`initialization-residual`.

    Args:
        depth: the number of branches, L; at least 1.
        growth: the factor that all of them may have together, at least 1; then
            :math:`\alpha = \sqrt{\text{growth}^{1/L} - 1}`. None means :math:`\alpha = 1/\sqrt L`.

    Example:
        >>> residual_scale(4), residual_scale(2, growth=4.0)
        (0.5, 1.0)
    """
    _check_least("depth", depth, 1)
    if growth is None:
        return 1 / math.sqrt(depth)
    if not 1 <= _number("growth", growth) < math.inf:
        raise ValueError(f"growth must be finite and at least 1, got {growth}")
    return math.sqrt(math.expm1(math.log(growth) / depth))


# --------------------------------------------------------------------------- initialisers


@torch.no_grad()
def orthogonal_(
    tensor: Tensor,
    gain: float = 1.0,
    *,
    generator: torch.Generator | None = None,
    batched: bool = False,
) -> Tensor:
    r"""Fill with a Haar-random orthogonal matrix: orthonormal columns, or rows where these are fewer.

    It is the Q of a Gaussian A = QR with :math:`R_{ii} > 0`, which makes Q unique and its law invariant:
    OA = (OQ)R for every orthogonal O. So a seed gives the matrix that :func:`torch.nn.init.orthogonal_`
    gives, to rounding, and sooner on a CPU where a matrix has a short side of at least 128 and a long one of
    at least four times that. There R is the Cholesky factor of :math:`A^\top A`, whose diagonal is positive
    as it is, and Q is :math:`AR^{-1}`. A Gaussian of that shape has a condition of about 3 at most, so with
    the Gram matrix summed in float64 one pass is about as orthogonal as Householder's reflections, which do
    all else; the longer the matrix the more so.

    Beyond torch's: bfloat16 and float16, and batches.

    Implements :prf:ref:`initialization-haar`, :prf:ref:`initialization-qr`.

    Args:
        tensor: at least 2 dimensions. The first are the rows, all others together the columns; or, batched,
            the last two are.
        gain: multiplies the matrix.
        generator: of the tensor's device.
        batched: draw an independent matrix for every index of the leading dimensions, instead of taking the
            tensor as one matrix.

    Returns:
        The same tensor.

    Raises:
        ValueError: fewer than 2 dimensions.

    Source: Stewart (1980); Mezzadri (2007); for Cholesky's way, Yamamoto et al. (2015).

    Example:
        >>> q = orthogonal_(torch.empty(64, 16, 3, 3, dtype=torch.bfloat16)).float().flatten(1)
        >>> bool((q @ q.T - torch.eye(64)).abs().max() < 0.01)
        True
    """
    check_floating("tensor", tensor)
    if tensor.dim() < 2:
        raise ValueError(f"tensor must have at least 2 dimensions, got shape {tuple(tensor.shape)}")
    scale = _number("gain", gain)
    if tensor.is_meta or tensor.numel() == 0:
        return tensor
    shape = tensor.shape if batched else (tensor.shape[0], tensor.numel() // tensor.shape[0])
    dtype = compute_dtype(tensor)
    in_place = tensor.is_contiguous() and tensor.dtype == dtype
    a = tensor.detach().view(shape) if in_place else torch.empty(shape, dtype=dtype, device=tensor.device)
    a.normal_(generator=generator)
    with torch.autocast(tensor.device.type, enabled=False):
        q = _orthonormal(a if shape[-2] >= shape[-1] else a.mT)
    q = q if shape[-2] >= shape[-1] else q.mT
    q = q if scale == 1 else q.mul_(scale)
    return tensor if q.data_ptr() == tensor.data_ptr() else tensor.copy_(q.reshape(tensor.shape))


def _orthonormal(a: Tensor) -> Tensor:
    """The Q of A = QR with a positive diagonal of R; A is (..., m, n), m at least n, overwritten."""
    m, n = a.shape[-2:]
    exact = torch.get_float32_matmul_precision() == "highest"
    if a.device.type == "cpu" and exact and 128 <= n <= m // 4:
        r, failed = torch.linalg.cholesky_ex(_gram(a), upper=True)
        diagonal = r.diagonal(dim1=-2, dim2=-1)
        if not failed.any() and diagonal.min() > 0.01 * diagonal.max():
            return _times_inverse(a, r.to(a.dtype))
    q, r = torch.linalg.qr(a)
    return q.mul_(torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).unsqueeze(-2))


ROWS = 2048  # of a block; its columns are an eighth of all, or 64


def _gram(a: Tensor) -> Tensor:
    """The upper triangle of the Gram matrix: products of blocks in the dtype of ``a``, summed in float64."""
    n, width = a.shape[-1], max(64, a.shape[-1] // 8)
    gram = a.new_zeros((*a.shape[:-2], n, n), dtype=torch.float64)
    for rows in a.split(ROWS, -2):
        for start in range(0, n, width):
            stop = start + width
            gram[..., :stop, start:stop] += rows[..., :stop].mT @ rows[..., start:stop]
    return gram


def _times_inverse(a: Tensor, r: Tensor) -> Tensor:
    """a r^-1 in the place of a, the last columns first, since each needs those before it only."""
    n, width, by_rows = a.shape[-1], max(64, a.shape[-1] // 8), a.stride(-1) == 1
    inverse = torch.linalg.solve_triangular(r, torch.eye(n, dtype=r.dtype, device=r.device), upper=True)
    for rows in a.split(ROWS, -2):
        for start in reversed(range(0, n, width)):
            stop = start + width
            x, y = rows[..., :stop], inverse[..., :stop, start:stop]
            rows[..., start:stop] = x @ y if by_rows else (y.mT @ x.mT).mT  # laid out as it is stored
    return a


@torch.no_grad()
def truncated_normal_(
    tensor: Tensor,
    std: float = 1.0,
    *,
    mean: float = 0.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""Fill from a truncated normal law that *has* this mean and this standard deviation.

    A standard normal z is kept where :math:`a \le z \le b`. What is left has

    .. math:: \mu = \frac{\varphi(a)-\varphi(b)}Z,\qquad
              s^2 = 1 + \frac{a\varphi(a)-b\varphi(b)}Z - \mu^2,\qquad Z = \Phi(b)-\Phi(a)

    and the tensor gets :math:`\text{mean} + \text{std}\,(z-\mu)/s`. At ±2, s = 0.87962566103423975:
    :func:`torch.nn.init.trunc_normal_` with ``a=-2*std, b=2*std`` returns that much less than its ``std``.

    Implements :prf:ref:`initialization-truncated`.

    Args:
        tensor: any shape.
        std: the standard deviation of the result, at least 0.
        mean: the mean of the result.
        a, b: the ends in units of the normal law *before* it is truncated (torch's are absolute); infinite
            ones are allowed. They are at least 1e-4 apart and keep at least 1e-30 of the law, else rounding
            would spoil s.
        generator: of the tensor's device.

    Returns:
        The same tensor. Half types are rounded last, so an entry can be half a step beyond an end.

    Raises:
        ValueError: a std, or ends, that are not as above.

    Example:
        >>> x = truncated_normal_(torch.empty(10**6), std=0.02, generator=torch.Generator().manual_seed(0))
        >>> round(x.std().item(), 4), round(x.max().item() / 0.02, 4)
        (0.02, 2.2737)
    """
    check_floating("tensor", tensor)
    std, mean = _number("std", std), _number("mean", mean)
    if not 0 <= std < math.inf:
        raise ValueError(f"std must be finite and at least 0, got {std}")
    low, high = _number("a", a), _number("b", b)
    mu, s = _truncated_moments(low, high)
    if tensor.is_meta or tensor.numel() == 0:
        return tensor
    z = torch.empty(tensor.shape, dtype=compute_dtype(tensor), device=tensor.device)
    z = _truncated(z, low, high, generator) if low + high <= 0 else -_truncated(z, -high, -low, generator)
    return tensor.copy_((z - mu).mul_(std / s).add_(mean))


def _truncated(z: Tensor, a: float, b: float, generator: torch.Generator | None) -> Tensor:
    """Fill with quantiles of a uniform law; most of [a, b] is on the left, where tails keep their digits."""
    low, high = _phi(a), _phi(b)
    step = (high - low) * torch.finfo(z.dtype).eps
    z.uniform_(low, high, generator=generator).clamp_(min=max(low, step / 4))  # 0 would give -inf
    return torch.special.ndtri(z, out=z).clamp_(a, b)


def _truncated_moments(a: float, b: float) -> tuple[float, float]:
    """Mean and standard deviation of a standard normal kept in [a, b]."""
    if not b - a >= 1e-4:
        raise ValueError(f"b must exceed a by at least 1e-4, got a = {a} and b = {b}")
    if a + b > 0:
        mean, std = _truncated_moments(-b, -a)
        return -mean, std
    z = _phi(b) - _phi(a)
    if not z >= 1e-30:
        raise ValueError(f"a and b must keep at least 1e-30 of the normal law, got {a} and {b}")
    mean = (_density(a) - _density(b)) / z
    ends = [x * _density(x) if math.isfinite(x) else 0.0 for x in (a, b)]
    return mean, math.sqrt(1 + (ends[0] - ends[1]) / z - mean * mean)


def _phi(x: float) -> float:
    return math.erfc(-x * math.sqrt(0.5)) / 2


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


# --------------------------------------------------------------------------- how near to orthogonal


def gram_error(weight: Tensor) -> Tensor:
    r"""How far the columns are from orthonormal: :math:`\|W^\top W - I_n\|_F^2`, for W of shape (m, n).

    Formed from the smaller Gram matrix, since :math:`\|W^\top W-I_n\|_F^2 = \|WW^\top-I_m\|_F^2 + n - m`.
    So it is at least n - m: more than m columns cannot be orthonormal.

    Implements :prf:ref:`initialization-gram`.

    Args:
        weight: (..., m, n); any leading dimensions. NaN and infinite entries give NaN or ``inf``.

    Returns:
        (...), of the dtype of ``weight``. Differentiable.

    Raises:
        ValueError: fewer than 2 dimensions.

    Example:
        >>> gram_error(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
        tensor(3.)
    """
    check_floating("weight", weight)
    if weight.dim() < 2:
        raise ValueError(f"weight must have at least 2 dimensions, got shape {tuple(weight.shape)}")
    m, n = weight.shape[-2:]
    w = weight.to(compute_dtype(weight))
    if n > m:
        w = w.mT
    with torch.autocast(weight.device.type, enabled=False):
        gram = w.mT @ w
    error = (gram - torch.eye(min(m, n), dtype=w.dtype, device=w.device)).square().sum((-2, -1))
    return (error + max(0, n - m)).to(weight.dtype)


def expected_gram_error(m: int, n: int, *, kurtosis: float = 3.0) -> float:
    r"""The mean of :func:`gram_error` for independent entries of mean 0 and variance 1/m.

    .. math:: \mathbb E\,\|W^\top W - I_n\|_F^2 = \frac{n(n-1) + n(\kappa-1)}m

    For m = n and a Gaussian it is n + 1, while the zero matrix has n: the Gram matrix of a random square
    matrix is no nearer to I than 0 is, although each entry of :math:`W^\top W - I` is small.

    Implements :prf:ref:`initialization-gram`, :prf:ref:`initialization-far`.

    Args:
        m, n: the shape of W, at least 1.
        kurtosis: :math:`\kappa = \mathbb E w^4/(\mathbb E w^2)^2`, at least 1: 3 for a Gaussian, 9/5 for a
            uniform law, 1 for random signs.

    Example:
        >>> expected_gram_error(64, 64), expected_gram_error(200, 50)
        (65.0, 12.75)
    """
    _check_least("m", m, 1)
    _check_least("n", n, 1)
    if not _number("kurtosis", kurtosis) >= 1:
        raise ValueError(f"kurtosis must be at least 1, as every law's is, got {kurtosis}")
    return n * (n - 2 + kurtosis) / m


class SingularValueEdges(NamedTuple):
    """What :func:`singular_value_edges` gives."""

    lower: float
    upper: float


def singular_value_edges(m: int, n: int) -> SingularValueEdges:
    r"""What the min(m, n) singular values of a large W lie between, for independent entries of variance 1/m.

    .. math:: \bigl|1-\sqrt{n/m}\bigr| \le \sigma \le 1+\sqrt{n/m}

    The edges of the Marchenko-Pastur law. A square matrix fills [0, 2].

    Implements :prf:ref:`initialization-edges`.

    Args:
        m, n: the shape of W, at least 1.

    Example:
        >>> singular_value_edges(200, 50)
        SingularValueEdges(lower=0.5, upper=1.5)
    """
    _check_least("m", m, 1)
    _check_least("n", n, 1)
    root = math.sqrt(n / m)
    return SingularValueEdges(abs(m - n) / m / (1 + root), 1 + root)  # 1 - root would cancel


# --------------------------------------------------------------------------- depth


class LogNormDrift(NamedTuple):
    """What :func:`log_norm_drift` gives."""

    mean: float
    variance: float


def log_norm_drift(width: int, depth: int, *, activation: str = "linear") -> LogNormDrift:
    r"""Mean and variance of :math:`\log(\|h_L\|^2/\|h_0\|^2)` after L layers, where the mean norm is kept.

    The layers are :math:`h_l = W_lh_{l-1}` with Gaussian entries of variance 1/m, or
    :math:`h_l = \operatorname{relu}(W_lh_{l-1})` with variance 2/m, m the width. Then, exactly,

    .. math:: \text{linear:}\quad L\,[\psi(\tfrac m2) + \log\tfrac2m],\quad L\,\psi_1(\tfrac m2);\qquad
              \text{relu:}\quad L\,\mathbb E\,[\psi(\tfrac N2) + \log\tfrac4m],\quad
              L\,\bigl(\mathbb E\,\psi_1(\tfrac N2) + \operatorname{Var}\psi(\tfrac N2)\bigr)

    where N, binomial of m and 1/2, counts the units that fire. That is about -L/m and 2L/m, and -5L/(2m) and
    5L/m: the *typical* norm decays although the mean norm does not.

    With probability :math:`1-(1-2^{-m})^L` some ReLU layer is dead (N = 0) and the norm is 0. The moments are
    of what is left: conditional on :math:`N\ge1` in each layer.

    Implements :prf:ref:`initialization-drift`, :prf:ref:`initialization-relu-drift`.

    Args:
        width: m, the outputs of each layer; at least 1. (For the inputs of the first any number will do.)
        depth: L, at least 0.
        activation: "linear" or "relu".

    Example:
        >>> mean, variance = log_norm_drift(64, 50)
        >>> round(mean, 6), round(variance, 6)
        (-0.785319, 1.587168)
        >>> round(log_norm_drift(64, 50, activation="relu").mean, 6)
        -2.00543
    """
    _check_least("width", width, 1)
    check_size("depth", depth)
    _check_known("activation", activation, ("linear", "relu"))
    if activation == "linear":
        half = torch.tensor(width / 2, dtype=torch.float64)
        mean, variance = _digamma_less_log(half), _trigamma(half)
    else:
        mean, variance = _relu_step(width)
    return LogNormDrift(depth * mean.item(), depth * variance.item())


def _relu_step(m: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of log(2 chi2_N / m) for N binomial(m, 1/2) and not 0."""
    reach = 10 * math.isqrt(m) + 10  # 20 standard deviations: beyond is less than 1e-86 of the law
    n = torch.arange(max(1, m // 2 - reach), min(m, m // 2 + reach) + 1, dtype=torch.float64)
    size = torch.tensor(float(m), dtype=torch.float64)
    weight = torch.softmax(-torch.lgamma(n + 1) - torch.lgamma(size - n + 1), 0)
    value = _digamma_less_log(n / 2) + torch.log1p((2 * n - m) / m)
    mean = (weight * value).sum()
    return mean, (weight * (_trigamma(n / 2) + (value - mean).square())).sum()


def _digamma_less_log(x: Tensor) -> Tensor:
    """psi(x) - log(x), which is about -1 / (2x), without its cancellation."""
    y = 1 / (x * x)
    series = -0.5 / x - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y / 240)))
    return torch.where(x < 20, torch.digamma(x) - x.log(), series)


def _trigamma(x: Tensor) -> Tensor:
    """psi_1; torch.polygamma(1, x) has 9 digits only."""
    return torch.special.zeta(torch.full_like(x, 2.0), x)


# --------------------------------------------------------------------------- angles


def relu_correlation(rho: Tensor) -> Tensor:
    r"""The cosine between two signals after a wide random layer and ReLU, from the cosine before it.

    .. math:: \kappa(\rho) = \frac{\sqrt{1-\rho^2} + (\pi-\arccos\rho)\,\rho}\pi,\qquad
              \kappa'(\rho) = \frac{\pi-\arccos\rho}\pi

    1 is its only fixed point, and is approached like :math:`9\pi^2/(2L^2)`: with depth all inputs come to
    point the same way. Nothing cancels near -1, where :math:`\kappa \approx (2+2\rho)^{3/2}/(3\pi)`.

    Implements :prf:ref:`initialization-correlation`.

    Args:
        rho: any shape, in [-1, 1]; beyond it the result is NaN, as for NaN, so clamp what rounding has put
            there. The second derivative is infinite at ±1 (in forward mode, 0).

    Returns:
        The shape and the dtype of ``rho``.

    Source: Cho and Saul (2009), arc-cosine kernel of degree 1.

    Example:
        >>> relu_correlation(torch.tensor([-1.0, 0.0, 0.5, 1.0]))
        tensor([0.0000, 0.3183, 0.6090, 1.0000])
    """
    check_floating("rho", rho)
    x = rho.to(compute_dtype(rho))
    # forward mode takes the plain operations: torch loses nested tangents in a Function (pytorch#197867)
    if torch.autograd.forward_ad._current_level >= 0:
        end = x.abs() == 1
        return torch.where(end, x.clamp(min=0), _kappa(torch.where(end, 0.0, x))).to(rho.dtype)
    return _ReluCorrelation.apply(x).to(rho.dtype)


class _ReluCorrelation(torch.autograd.Function):
    """With the gradient t / pi, finite at both ends, where those of the root and of the angle are not."""

    @staticmethod
    def forward(x):
        return _kappa(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * _supplement(x) / math.pi

    @staticmethod
    def vmap(info, in_dims, x):
        return _ReluCorrelation.apply(x), in_dims[0]


def _supplement(rho: Tensor) -> Tensor:
    """t = pi - arccos(rho), to full relative accuracy; NaN outside of [-1, 1]."""
    return 2 * torch.atan2((1 + rho).sqrt(), (1 - rho).sqrt())


def _kappa(rho: Tensor) -> Tensor:
    """(sin t - t cos t) / pi; by its series where t is small."""
    t = _supplement(rho)
    y = t * t
    series = torch.zeros_like(t)
    for k in range(9, 0, -1):
        series = 2 * k / math.factorial(2 * k + 1) - y * series
    return torch.where(t < 1, t * y * series, ((1 - rho) * (1 + rho)).sqrt() + t * rho) / math.pi


# --------------------------------------------------------------------------- arguments


def _number(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    return float(value)


def _check_least(name: str, value: int, least: int) -> None:
    check_size(name, value)
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def _check_known(name: str, value: str, known: object) -> None:
    if value not in known:  # type: ignore[operator]
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")  # type: ignore[call-overload]
