"""HSIC from features: sketches that merge across pieces and ranks, and Nyström landmarks."""

import itertools
import json

import pytest
import torch
from estimation.hsic_oracle import ESTIMATORS, exact_gram, oracle, pair
from helpers import DEVICES, F64, NAN, Draw, assert_refused, close, seeded

from lemmata.estimation import HSICSketch, cka, hsic, hsic_nystrom
from lemmata.estimation._hsic import sketch
from lemmata.estimation._hsic.feature_sums import FeatureSums

pytestmark = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def normal(device):
    """Normal samples, the same on every device."""
    return Draw(6910, device).normal


# ------------------------------------------------------------------- identity


def test_the_linear_sketch_is_exact(normal):
    x, y = pair(normal, 50, 4, 3)
    x, y = x + 1e6, 10 * y - 1e5
    sketch = HSICSketch(kernel="linear")
    for cut in (slice(0, 1), slice(1, 20), slice(20, 20), slice(20, 50)):
        assert sketch.update(x[cut], y[cut]) is sketch
    for estimator in ESTIMATORS:
        whole = hsic(x, y, kernel="linear", estimator=estimator).item()
        assert sketch.value(estimator).item() == pytest.approx(whole, rel=1e-9)
        assert sketch.cka(estimator).item() == pytest.approx(cka(x, y, estimator=estimator).item(), rel=1e-9)
    assert sketch.value().dtype == F64


@pytest.mark.parametrize("kernel", ["gaussian", "laplace"])
def test_a_sketch_is_the_estimator_of_its_features(normal, monkeypatch, kernel):
    """Whatever the pieces, and merged from any."""
    x, y = pair(normal, 40)
    made = [HSICSketch(16, kernel=kernel, bandwidth=(1.0, 2.0), generator=seeded(5)) for _ in range(4)]
    whole = made[0].update(x, y)
    phi = []
    for v, w in zip((x, y), whole.projections, strict=True):
        wave = v @ w
        phi.append(torch.cat([wave.cos(), wave.sin()], 1) / 8**0.5)
    k, l = (p @ p.T for p in phi)
    torch.testing.assert_close(k.diagonal(), torch.ones_like(k[0]))
    for estimator in ESTIMATORS:
        close(whole.value(estimator).item(), oracle(k, l, estimator), 1e-14)
    monkeypatch.setattr(sketch, "BLOCK", 7)
    parts = made[1].update(x[:30], y[:30])
    assert parts.merge(made[2].update(x[30:], y[30:])) is parts
    close(parts.value().item(), whole.value().item(), 1e-14)
    close(made[3].merge(parts).value().item(), whole.value().item(), 1e-14)
    close(
        parts.merge(HSICSketch(16, kernel=kernel, bandwidth=(1.0, 2.0))).value().item(),
        whole.value().item(),
        1e-14,
    )


def test_means_of_features_keep_what_float32_rounds_off(normal):
    phi = (normal(200, 3) + 1e4).float()
    torch.testing.assert_close(FeatureSums.of(phi, phi).mean_p, phi.double().mean(0), rtol=0, atol=2e-5)


def test_two_features_are_enough_for_a_sketch(normal):
    x, y = normal(2, 6, 3)
    assert HSICSketch(2, bandwidth=1.0, generator=seeded(0)).update(x, y).value("biased") >= 0


WORKER = """
import json, sys
import torch
from torch import distributed as dist
from lemmata.estimation import HSICSketch

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(6910)
x, e = torch.randn(2, 101, 2, generator=generator, dtype=torch.float64)
y = x.sin() + e + 10
for world, cuts in ((1, []), (2, [77]), (3, [5, 5])):
    if rank < world:
        store = f"file://{folder}/{world}-{cuts}".replace(" ", "")
        dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world)
        group = dist.new_group(list(range(world)))
        a, b = x.tensor_split(cuts)[rank], y.tensor_split(cuts)[rank]
        linear = HSICSketch(kernel="linear").update(a, b).all_reduce()
        seeded = HSICSketch(8, bandwidth=(1.0, 2.0), generator=torch.Generator().manual_seed(1))
        seeded.update(a, b).all_reduce(group)
        other = HSICSketch(8, bandwidth=1.0, generator=torch.Generator().manual_seed(rank)).update(a, b)
        try:
            other.all_reduce()
            refused = False
        except ValueError:
            refused = True
        print(json.dumps([world, linear.value().item(), linear.cka().item(), seeded.value().item(),
                          refused == (rank > 0)]), flush=True)
        dist.destroy_process_group()
"""


def test_gloo_worlds_of_one_two_and_three(device, run_ranks):
    if device != "cpu":
        pytest.skip("gloo works on the CPU")
    lines = run_ranks(WORKER)
    assert [len(printed) for printed in lines] == [3, 2, 1]
    x, e = torch.randn(2, 101, 2, generator=torch.Generator().manual_seed(6910), dtype=F64)
    y = x.sin() + e + 10
    sketch = HSICSketch(8, bandwidth=(1.0, 2.0), generator=seeded(1)).update(x, y)
    expected = [hsic(x, y, kernel="linear").item(), cka(x, y).item(), sketch.value().item()]
    seen = {}
    for world, *values in (json.loads(line) for line in itertools.chain(*lines)):
        assert seen.setdefault(world, values) == values  # the same on every rank
        assert values[:3] == pytest.approx(expected, rel=1e-11)
        assert values[3]


def test_landmarks_come_from_the_generator_alone(normal):
    x, y = pair(normal, 40)
    values = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        values.append(hsic_nystrom(x, y, landmarks=3, bandwidth=1.0, generator=seeded()))
    assert torch.equal(*values)


# ------------------------------------------------------------------- agreement


@pytest.mark.parametrize(("kernel", "tolerance"), [("gaussian", 0.04), ("laplace", 0.08)])
def test_features_meet_the_kernel(normal, kernel, tolerance):
    """The entries at 4096 features, each an average of 2048 cosines (standard deviation below 0.016)."""
    x = normal(12, 3)
    sketch = HSICSketch(4096, kernel=kernel, bandwidth=(2.0, 1.0), generator=seeded())
    sketch.update(x, x)
    wave = x @ sketch.projections[0]
    made = torch.cos(wave[:, None] - wave[None]).mean(-1)
    assert (made - exact_gram(x, kernel, 2.0)).abs().max() < tolerance
    directions = sketch.projections[0].T[:3]
    if kernel == "gaussian":  # orthogonal in blocks of d
        inner = directions @ directions.T
        assert (inner - torch.diag(inner.diagonal())).abs().max() < 1e-12


def test_a_sketch_comes_close_to_hsic(normal):
    x, y = pair(normal, 1000, 3, 3)
    exact = hsic(x, y, bandwidth=2.0).item()
    errors = [
        HSICSketch(512, bandwidth=2.0, generator=seeded(s)).update(x, y).value().item() / exact - 1
        for s in range(4)
    ]
    assert max(map(abs, errors)) < 0.2
    single = HSICSketch(512, bandwidth=2.0, generator=seeded()).update(x.float(), y.float()).value().item()
    assert single / exact - 1 == pytest.approx(errors[0], abs=1e-4)


def test_nystrom_shrinks_and_ends_exact(normal):
    x, y = pair(normal, 120)
    for kernel in ("gaussian", "laplace", "linear", lambda a, b: (a @ b.mT + 1) ** 2):
        exact = hsic(x, y, kernel=kernel, estimator="biased").item()
        values = [
            hsic_nystrom(x, y, landmarks=m, kernel=kernel, generator=seeded()).item()
            for m in (5, 20, 60, 120)
        ]
        assert all(v <= exact * (1 + 1e-9) for v in values)
        assert values[-1] == pytest.approx(exact, rel=1e-8)
    unbiased = hsic_nystrom(x, y, landmarks=120, estimator="unbiased", generator=seeded()).item()
    assert unbiased == pytest.approx(hsic(x, y).item(), rel=1e-8)
    first = hsic_nystrom(x, y, landmarks=5, generator=seeded())
    assert first < 0.98 * hsic(x, y, estimator="biased")
    assert hsic_nystrom(x.expand(2, 3, 120, 3), y, landmarks=9).shape == (2, 3)
    assert hsic_nystrom(x.half(), y.half(), landmarks=9).dtype == torch.float16
    assert hsic_nystrom(x * NAN, y, landmarks=9, bandwidth=1.0).isnan()


def test_landmarks_may_repeat(normal):
    """Equal samples make the landmarks' Gram matrix singular: what rounding leaves of it must not count."""
    x, y = pair(normal, 30)
    x, y = torch.cat([x, x]), torch.cat([y, y])
    options = {"bandwidth": 1.0, "estimator": "biased"}
    whole = hsic_nystrom(x, y, landmarks=60, generator=seeded(), **options)
    assert whole.item() == pytest.approx(hsic(x, y, **options).item(), rel=1e-8)


# ------------------------------------------------------------------- failure


def test_a_sketch_needs_four_samples_and_keeps_far_means(normal):
    x, y = normal(4, 3), normal(4, 2)
    sketch = HSICSketch(kernel="linear").update(x, y)
    assert sketch.value().item() == pytest.approx(hsic(x, y, kernel="linear").item(), rel=1e-10)
    assert HSICSketch(kernel="linear").update(x[:3], y[:3]).value().isnan()
    far = (normal(300, 3) + 1e7).float()
    merged = HSICSketch(kernel="linear")
    for part in far.split([100, 200]):
        merged.update(part, part)
    assert merged.value().item() == pytest.approx(
        hsic(far.double(), far.double(), kernel="linear").item(), rel=1e-9
    )


def test_sketches_of_too_little_data(normal):
    x = normal(3, 2)
    sketch = HSICSketch(kernel="linear").update(x, x)
    assert sketch.value().isnan()
    assert sketch.value("biased") > 0
    empty = HSICSketch(kernel="linear").update(x[:0], x[:0])
    assert empty.value("biased").isnan()
    assert empty.update(x[:0], x[:0]).merge(sketch).value("biased") == sketch.value("biased")
    assert sketch.merge(HSICSketch(kernel="linear").update(x[:0], x[:0])).value("biased").isfinite()


BAD_CALLS = [
    (TypeError, "y must be float64", lambda x: HSICSketch(kernel="linear").update(x, x.long())),
    (TypeError, "landmarks must be an int", lambda x: hsic_nystrom(x, x, landmarks=2.0)),
    (TypeError, "x must be a tensor", lambda x: hsic_nystrom(1.0, x, landmarks=2)),
    (TypeError, "features must be an int", lambda x: HSICSketch(8.0, bandwidth=1.0)),
    (TypeError, "bandwidth must .* got None", lambda x: HSICSketch()),
    (ValueError, "estimator must be", lambda x: HSICSketch(kernel="linear").update(x, x).value("u")),
    (ValueError, "bandwidth must .* got 'median'", lambda x: HSICSketch(bandwidth="median")),
    (ValueError, "features must be even, got 7", lambda x: HSICSketch(7, bandwidth=1.0)),
    (ValueError, "features must be at least 2, got 0", lambda x: HSICSketch(0, bandwidth=1.0)),
    (ValueError, "kernel must be 'gaussian', 'laplace' or", lambda x: HSICSketch(kernel="distance")),
    (ValueError, r"x must be samples \(n, d\)", lambda x: HSICSketch(kernel="linear").update(x[None], x)),
    (ValueError, "y must have as many samples as x, 5", lambda x: HSICSketch(bandwidth=1.0).update(x, x[:4])),
    (ValueError, "as many columns as at first",
     lambda x: HSICSketch(kernel="linear").update(x, x).update(x, x[:, :2])),
    (ValueError, "updated before it has a value", lambda x: HSICSketch(bandwidth=1.0).value()),
    (ValueError, "updated before all_reduce", lambda x: HSICSketch(bandwidth=1.0).all_reduce()),
    (ValueError, "kernel must be 'linear' for cka", lambda x: HSICSketch(bandwidth=1.0).update(x, x).cka()),
    (ValueError, "other must have the kernel 'linear', got 'gaussian'",
     lambda x: HSICSketch(kernel="linear").merge(HSICSketch(bandwidth=1.0))),
    (TypeError, "other must be an HSICSketch, got Tensor", lambda x: HSICSketch(kernel="linear").merge(x)),
    (ValueError, "the same features",
     lambda x: HSICSketch(4, bandwidth=1.0, generator=seeded(1)).update(x, x)
     .merge(HSICSketch(4, bandwidth=1.0, generator=seeded(2)).update(x, x))),
    (ValueError, "landmarks must be from 1 to n = 5, got 6", lambda x: hsic_nystrom(x, x, landmarks=6)),
    (ValueError, "landmarks must be at least 1, got 0", lambda x: hsic_nystrom(x, x, landmarks=0)),
    (ValueError, "positive semidefinite, got 'distance'",
     lambda x: hsic_nystrom(x, x, landmarks=2, kernel="distance")),
]  # fmt: skip


def test_bad_input_is_named(device):
    assert_refused(BAD_CALLS, torch.eye(5, device=device))
