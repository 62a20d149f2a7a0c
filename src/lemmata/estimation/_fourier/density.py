"""The distribution object."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from lemmata import _arguments as check
from lemmata.estimation._fourier.charts import Chart, Circle, Interval, Line
from lemmata.estimation._fourier.coefficients import ratios_of, unit, waves, wide
from lemmata.estimation._fourier.logarithm import entropy
from lemmata.estimation._fourier.moments import first, line_moments, log_jacobian, moments
from lemmata.estimation._fourier.parameters import complex_of, computed, larger, on_line, sizes, turn, within
from lemmata.estimation._fourier.quantile import differentiable, quantile
from lemmata.estimation._fourier.series import distribution, polynomial

__all__ = ["FourierDensity"]


class FourierDensity(Distribution):
    r"""The density that is proportional to the square of a sum of waves.

    .. math:: p(t) = \frac1{2c_0}\Bigl|\sum_{k=0}^N a_k e^{i\pi kt}\Bigr|^2
              = \tfrac12 + \operatorname{Re}\sum_{n=1}^N\frac{c_n}{c_0}e^{i\pi nt},\qquad -1 \le t \le 1

    Every ``a`` but 0 will do, so it can be trained without a constraint; a factor changes nothing. With
    ``period`` it is the density of an angle x of any number of turns, :math:`t = 2x/\text{period}`, on the
    circle with 0 in the middle. With ``loc`` or ``scale`` it is that of :math:`y = \text{loc} +
    \text{scale}\operatorname{artanh} t` on the line, which has exponential tails for every ``a``.

    Implements :prf:ref:`fourier-square`, :prf:ref:`fourier-tails`.

    Args:
        a: (..., N + 1), complex or real as :func:`fourier_coefficients` takes it. A row with NaN gives NaN.
        loc: centre of the line, a number or a tensor that broadcasts with the batch (0 if only ``scale`` is
            given).
        scale: unit of the line, positive, likewise (1 if only ``loc`` is given).
        period: length of the circle, a number: 24 for hours, 360 for degrees.
        validate_args: whether ``log_prob`` and ``prob`` refuse values outside of [-1, 1], ``icdf`` those
            outside of [0, 1], and all three NaN; by default as torch does for its own. If not, density and
            probability of values outside are 0, and NaN gives NaN.

    Results have the dtype of the value that is asked for, or that of ``a``; computed in float32 or wider.

    Raises:
        TypeError: an argument is of none of these types.
        ValueError: a row of ``a`` is 0, ``scale`` or ``period`` is not positive, one of them or ``loc`` is
            infinite, shapes do not fit, or there is a period beside ``loc`` or ``scale``.

    Example:
        >>> d = FourierDensity(torch.tensor([1.0, 0.5]))
        >>> d.prob(torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.9000, 0.5000, 0.1000])
        >>> d.cdf(torch.tensor(0.5))
        tensor(0.8773)
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    has_rsample = True
    a: Tensor
    loc: Tensor | None
    scale: Tensor | None
    period: float | None

    def __init__(
        self,
        a: Tensor,
        loc: float | Tensor | None = None,
        scale: float | Tensor | None = None,
        *,
        period: float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        waves("a", a)
        line = loc is not None or scale is not None
        self.period = turn(period, line)
        self.a, self.loc, self.scale = a, None, None
        if line:
            self.a, self.loc, self.scale = on_line(a, loc, scale)
        self._settle()
        super().__init__(self.a.shape[:-1], validate_args=validate_args)

    def _settle(self) -> None:
        self._unit = unit("a", wide(self.a))
        self._ratios = ratios_of(self._unit)

    def _in_double(self) -> tuple[Tensor, Tensor]:
        """c_n / c_0, and a of norm 1."""
        a = unit("a", self.a.to(torch.complex128))
        return ratios_of(a), a

    @property
    def _dtype(self) -> torch.dtype:
        return self.a.real.dtype if self.a.is_complex() else self.a.dtype

    def _chart(self, dtype: torch.dtype) -> Chart:
        if self.period is not None:
            return Circle(self.period)
        if self.loc is None or self.scale is None:
            return Interval()
        return Line(self.loc.to(dtype), self.scale.to(dtype))

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> "FourierDensity":
        """The same densities in a larger batch, as torch's distributions do it.

        Raises:
            ValueError: the batch does not fit ``batch_shape``.

        Example:
            >>> FourierDensity(torch.tensor([1.0, 0.5])).expand((3,)).entropy().shape
            torch.Size([3])
        """
        new = self._get_checked_instance(FourierDensity, _instance)
        batch = larger(self.batch_shape, batch_shape)
        new.loc, new.scale, new.period = None, None, self.period
        new.a = self.a.expand(*batch, self.a.shape[-1])
        if self.loc is not None and self.scale is not None:
            new.loc, new.scale = self.loc.expand(batch), self.scale.expand(batch)
        new._settle()
        super(FourierDensity, new).__init__(torch.Size(batch), validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> constraints.Constraint:
        """[-1, 1], or the line for a density on the line or around the circle."""
        if self.period is None and self.loc is None:
            return constraints.interval(-1, 1)
        return constraints.real

    # ------------------------------------------------------------------- at a value

    def log_prob(self, value: float | Tensor) -> Tensor:
        r"""Logarithm of the density, by that of \|F\|: with all its digits where it is small.

        Near a simple zero of F at an end or at 0 it keeps them all. At the distance d from one of order m > 1
        the relative error of the density is some eps / d^(m - 1); where nothing is left this is -inf.

        Implements :prf:ref:`fourier-tails`.

        Args:
            value: broadcasts with the batch; floating point, or a number, which is float64.

        Returns:
            The broadcast shape, in the dtype of ``value``. Where the density is 0, -inf with gradient 0.

        Raises:
            TypeError: ``value`` is neither.
            ValueError: with validation, it is outside of the support.

        Example:
            >>> FourierDensity(torch.tensor([1.0, 1.0])).log_prob(torch.tensor([0.5, 1.0]))
            tensor([-0.6931,    -inf])
        """
        value, x = self._given(value)
        place = self._chart(x.dtype).place(x)
        real, imag = polynomial(self._unit.to(complex_of(x.dtype)), place.point)
        zero = ((real == 0) & (imag == 0)) | place.outside
        size = torch.hypot(torch.where(zero, 1.0, real), torch.where(zero, 1.0, imag))
        inside = 2 * size.log() - math.log(2) + place.log_slope
        return torch.where(zero, -math.inf, inside).to(value.dtype)

    def prob(self, value: float | Tensor) -> Tensor:
        """The density: arguments, result and errors as those of :meth:`log_prob`."""
        value, x = self._given(value)
        return self._density(x).to(value.dtype)

    def cdf(self, value: float | Tensor) -> Tensor:
        r"""Distribution function; on the circle the probability between -period/2 and the angle.

        .. math:: P(t) = \frac{t+1}2 + \operatorname{Re}\sum_{n=1}^N\frac{c_n}{c_0}
                  \frac{e^{i\pi nt}-(-1)^n}{i\pi n}

        Implements :prf:ref:`fourier-distribution`. Arguments, result and errors as those of :meth:`log_prob`,
        but values outside of the support are 0 or 1, and never refused.

        Example:
            >>> FourierDensity(torch.tensor([1.0, 0.5]), period=24).cdf(torch.tensor(6.0))  # before six
            tensor(0.8773)
        """
        value = check.real("value", value)
        return self._distribution(value.to(computed(value, self.a))).to(value.dtype)

    def icdf(self, value: float | Tensor) -> Tensor:
        """Quantiles, by bisection and Newton's method; with derivatives by the value and all parameters.

        Two more steps of Newton's method are recorded, so that they are right up to the third. Where the
        density is 0 the quantile has no derivative, and its gradient is 0.

        Implements :prf:ref:`fourier-distribution`.

        Args:
            value: probabilities, any shape that broadcasts with the batch; floating point, or a number.

        Returns:
            The broadcast shape, in the dtype of ``value``.

        Raises:
            TypeError: ``value`` is neither.
            ValueError: with validation, it is outside of [0, 1].

        Example:
            >>> FourierDensity(torch.tensor([1.0, 0.5])).icdf(torch.tensor([0.1, 0.5, 0.9]))
            tensor([-0.5483,  0.0000,  0.5483])
        """
        value = check.real("value", value)
        if self._validate_args:
            check.probability("value", value)
        return self._quantile(value.to(computed(value, self.a))).to(value.dtype)

    def _given(self, value: float | Tensor) -> tuple[Tensor, Tensor]:
        """The value as a tensor, and in the type that is computed in."""
        value = check.real("value", value)
        if self._validate_args:
            within("value", value, 1 if self.period is None and self.loc is None else math.inf)
        return value, value.to(computed(value, self.a))

    def _density(self, x: Tensor) -> Tensor:
        place = self._chart(x.dtype).place(x)
        real, imag = polynomial(self._unit.to(complex_of(x.dtype)), place.point)
        inside = (real.square() + imag.square()) / 2 * place.log_slope.exp()
        return torch.where(place.outside, 0.0, inside)

    def _distribution(self, x: Tensor) -> Tensor:
        point = self._chart(x.dtype).place(x).point
        return distribution(self._ratios.to(complex_of(x.dtype)), point)

    def _quantile(self, q: Tensor) -> Tensor:
        a, ratios = self._unit.detach().to(complex_of(q.dtype)), self._ratios.detach().to(complex_of(q.dtype))
        shape = torch.broadcast_shapes(q.shape, self.batch_shape)
        with torch.no_grad():
            x = self._chart(q.dtype).value(quantile(a, ratios, q.detach().expand(shape)))
            steep = (self._density(x) > torch.finfo(q.dtype).tiny) & x.isfinite()
        return differentiable(x, q, steep, self._distribution, self._density)

    # ------------------------------------------------------------------- random numbers

    def rsample(
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Independent draws, by :meth:`icdf` of uniform numbers, with gradients by all parameters.

        Args:
            sample_shape: of the axes in front of the batch.
            generator: decides all random numbers; torch's distributions take none.

        Returns:
            ``(*sample_shape, *batch_shape)``, in the dtype of ``a``.

        Raises:
            TypeError, ValueError: ``sample_shape`` is no shape, ``generator`` no generator.

        Example:
            >>> d = FourierDensity(torch.tensor([1.0, 0.5]), period=24)
            >>> d.rsample((2,), generator=torch.Generator().manual_seed(0)).shape
            torch.Size([2])
        """
        check.generator("generator", generator)
        shape = (*sizes("sample_shape", sample_shape), *self.batch_shape)
        u = torch.rand(shape, dtype=torch.float64, device=self.a.device, generator=generator)
        return self._quantile(u.clamp(min=2.0**-54)).to(self._dtype)

    def sample(self, sample_shape: Sequence[int] = (), *, generator: torch.Generator | None = None) -> Tensor:
        """Draws without gradients: arguments, result and errors as those of :meth:`rsample`."""
        with torch.no_grad():
            return self.rsample(sample_shape, generator=generator)

    # ------------------------------------------------------------------- of the whole

    @property
    def mean(self) -> Tensor:
        """The mean; on the circle the mean direction (of no meaning where the first wave is missing).

        Implements :prf:ref:`fourier-moments`, :prf:ref:`fourier-line`.
        """
        if self.period is not None:
            return (-first(self._ratios).angle() * (self.period / (2 * math.pi))).to(self._dtype)
        return self._moments()[0].to(self._dtype)

    @property
    def variance(self) -> Tensor:
        r"""The variance; on the circle the circular one, :math:`1-|c_1|/c_0`, as ``VonMises`` has it.

        Implements :prf:ref:`fourier-moments`.
        """
        if self.period is not None:
            return (1 - first(self._ratios).abs()).to(self._dtype)
        return self._moments()[1].to(self._dtype)

    def _moments(self) -> tuple[Tensor, Tensor]:
        ratios = self._ratios.to(torch.complex128)
        if self.loc is None or self.scale is None:
            return moments(ratios)
        mean, variance = line_moments(ratios)
        return self.loc.double() + self.scale.double() * mean, self.scale.double().square() * variance

    def entropy(self) -> Tensor:
        r"""Differential entropy in nats, exactly.

        .. math:: -\int_{-1}^1 p\log p = \log 2c_0 - 2\log M - 2\operatorname{Re}\sum_{n=1}^N
                  \frac{\overline{c_n}}{c_0}\lambda_n

        with Mahler's measure M of the polynomial of the :math:`a_k`, and :math:`\lambda_n` the Fourier
        coefficients of :math:`\log|F|^2`, both from its roots. Computed in float64. A second derivative
        needs distinct roots, none of them on the circle.

        Implements :prf:ref:`fourier-entropy`, :prf:ref:`fourier-line`.

        Returns:
            The shape of the batch, in the dtype of ``a``.

        Example:
            >>> FourierDensity(torch.tensor([1.0, 1.0])).entropy()  # log 4 - 1
            tensor(0.3863)
        """
        ratios, a = self._in_double()
        nats = entropy(ratios, a)
        if self.period is not None:
            nats = nats + math.log(self.period / 2)
        elif self.scale is not None:
            nats = nats + self.scale.double().log() - log_jacobian(ratios)
        return nats.to(self._dtype)

    def smoothness_penalty(self) -> Tensor:
        r"""How rough the density is on [-1, 1]: :math:`\int_{-1}^1 p'^2 = \pi^2\sum_n n^2|c_n|^2/c_0^2`.

        On a circle and on the line this is the density of t behind it, which depends on no unit.

        Implements :prf:ref:`fourier-roughness`.

        Returns:
            The shape of the batch, in the dtype of ``a``.

        Example:
            >>> FourierDensity(torch.tensor([1.0, 0.5])).smoothness_penalty()  # 4 pi^2 / 25
            tensor(1.5791)
        """
        n = torch.arange(1, self._ratios.shape[-1] + 1, device=self.a.device, dtype=self._ratios.real.dtype)
        size = self._ratios.real.square() + self._ratios.imag.square()
        return ((math.pi * n) ** 2 * size).sum(-1).to(self._dtype)
