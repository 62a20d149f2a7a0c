#!/usr/bin/env bash
# optax's Polyak step stands still where the squared norm of the gradient is below the spacing of float64, whatever the loss.
#
# One would expect: a step that divides the gap by the squared gradient is the same in every unit of the loss; at a gradient of 0 it is 0.
#   (We guessed before running that there is a limit at the spacing of float32, 1.2e-7; it is that of float64, in float32 as well.)
# What happens: the step is 0 where |g|^2 + eps <= 2.2e-16, in float32 and in float64.
# Seen: on 1e-8 |x - 1|^2 from (5, 3), without a cap, it stops for good at (1.5, 1.25); on |x - 1|^2 it gets to (1, 1).
# Source: `optax.polyak_sgd`, optax 0.2.8, jax 0.10.2 on a CPU.
# Who is hurt: whoever has a loss in small units, a mean over many outputs for instance, or a flat minimum: the run looks converged.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq optax==0.2.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import jax
import jax.numpy as jnp
import optax


def end(unit, steps=200):
    def loss(x):
        return unit * jnp.sum((x - 1) ** 2)

    x, solver = jnp.array([5.0, 3.0]), optax.polyak_sgd(max_learning_rate=jnp.inf)
    state = solver.init(x)
    for _ in range(steps):
        value, grad = jax.value_and_grad(loss)(x)
        update, state = solver.update(grad, state, x, value=value)
        x = optax.apply_updates(x, update)
    return x.tolist()


print(f"optax {optax.__version__}, jax {jax.__version__}: where it ends on c |x - 1|^2")
for unit, place in ((1.0, [1.0, 1.0]), (1e-8, [1.5, 1.25]), (1e-12, [5.0, 3.0])):
    found = end(unit)
    print(f"  c = {unit:g}: {found}")
    assert all(abs(a - b) < 1e-3 for a, b in zip(found, place)), f"changed: {unit}"
PYTHON
