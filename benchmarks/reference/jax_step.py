"""FROZEN reference: a sparse network with ReLU in JAX, on the CPU; a whole step is one jitted function.

Reads ``start.npz`` and answers as ``torch_masked_step.py`` does. With ``bcoo`` the matrices are BCOO of
`jax.experimental.sparse`, whose values are the parameters; without it they are full and masked.
Do not optimise or import anything here.
"""

import os
import sys
import time

os.environ["JAX_PLATFORMS"] = "cpu"
if hasattr(os, "sched_setaffinity"):  # XLA takes a thread for each processor that it may use
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[2])])

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import sparse

start = dict(np.load(sys.argv[1]))
recurrent, labels, bcoo = "w_rec" in start, jnp.asarray(start["labels"]), "bcoo" in start
x = jnp.asarray(start["x"] if recurrent else np.ascontiguousarray(start["x"].T))
last = sum(key[0] == "W" for key in start) - 1
lr, momentum = float(start["lr"]), float(start.get("momentum", 0))
masks = {"w_rec": start["mask"]} if recurrent else {f"W{k}": start[f"mask{k}"] for k in range(last)}
p = {
    key: start[key].reshape(-1, 1) if key[0] == "b" else start[key]
    for key in start
    if key[0] in "wWb" and key != "bcoo"
}
if bcoo:
    places = {key: np.argwhere(mask).astype(np.int32) for key, mask in masks.items()}
    p |= {key: p[key][tuple(place.T)] for key, place in places.items()}
    shapes, places = {key: mask.shape for key, mask in masks.items()}, {k: jnp.asarray(v) for k, v in places.items()}
else:
    shapes, places = {}, {key: jnp.asarray(mask) for key, mask in masks.items()}
p = {key: jnp.asarray(value) for key, value in p.items()}


def matrix(p, places, key):
    if not bcoo:
        return p[key] * places[key]
    return sparse.BCOO((p[key], places[key]), shape=shapes[key], indices_sorted=True, unique_indices=True)


def loss_of(p, places, x):
    if recurrent:
        w = matrix(p, places, "w_rec")

        def advance(h, given):
            return jax.nn.relu(p["w_in"] @ given + p["b_in"] + w @ h + p["b_rec"]), None

        h = jax.nn.relu(p["w_in"] @ x[0] + p["b_in"] + p["b_rec"])  # the state before the first step is 0
        h, _ = jax.lax.scan(advance, h, x[1:])
        z = p["w_out"] @ h + p["b_out"]
    else:
        z = x
        for k in range(last):
            z = jax.nn.relu(matrix(p, places, f"W{k}") @ z + p[f"b{k}"])
        z = p[f"W{last}"] @ z + p[f"b{last}"]
    return -jnp.mean(jax.nn.log_softmax(z, axis=0)[labels, jnp.arange(len(labels))])


def adam(p, g, m, v, count):
    m = {key: 0.9 * m[key] + 0.1 * g[key] for key in p}
    v = {key: 0.999 * v[key] + 0.001 * g[key] ** 2 for key in p}
    by, root = 1 / (1 - 0.9**count), 1 / (1 - 0.999**count)
    return {key: p[key] - lr * m[key] * by / (jnp.sqrt(v[key] * root) + 1e-8) for key in p}, m, v


def step(p, m, v, count, places, x):
    loss, g = jax.value_and_grad(loss_of)(p, places, x)
    if recurrent:
        return loss, *adam(p, g, m, v, count)
    m = {key: momentum * m[key] + g[key] for key in p}
    return loss, {key: p[key] - lr * m[key] for key in p}, m, v


m = {key: jnp.zeros_like(value) for key, value in p.items()}
v = {key: jnp.zeros_like(value) for key, value in p.items()} if recurrent else {}
step = jax.jit(step, donate_argnums=(0, 1, 2)).lower(p, m, v, jnp.float32(1), places, x).compile()
count = 0
print("ready", jax.__version__, flush=True)
for line in sys.stdin:
    seconds = []
    for _ in range(int(line)):
        begin = time.perf_counter()
        count += 1
        loss, p, m, v = step(p, m, v, jnp.float32(count), places, x)
        jax.block_until_ready((loss, p))
        seconds.append(time.perf_counter() - begin)
    print(*seconds, float(loss), flush=True)
