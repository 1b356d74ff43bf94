"""FROZEN reference: a feedforward network with ReLU by scikit-learn's MLPClassifier, masked by hand after every step.

Reads ``start.npz`` (W0, mask0, b0, W1, ..., x (batch, inputs), labels, lr, momentum; the last layer has no mask) and
answers as ``torch_masked_step.py`` does; the threads are those of its BLAS. Do not optimise or import anything here.
"""

import sys
import time

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

threadpool_limits(int(sys.argv[2]))
start = dict(np.load(sys.argv[1]))
x, labels = start["x"], start["labels"]
last = sum(key[0] == "W" for key in start) - 1
masks = [np.ascontiguousarray(start[f"mask{k}"].T) for k in range(last)]
network = MLPClassifier(
    [len(start[f"W{k}"]) for k in range(last)], solver="sgd", alpha=0.0, batch_size=len(x), shuffle=False,
    learning_rate_init=float(start["lr"]), momentum=float(start["momentum"]), nesterovs_momentum=False,
)  # fmt: skip
network.partial_fit(x, labels, classes=range(len(start[f"W{last}"])))  # makes the arrays that are filled here
for k in range(last + 1):
    network.coefs_[k][...] = start[f"W{k}"].T * (masks[k] if k < last else 1)
    network.intercepts_[k][...] = start[f"b{k}"]
for velocity in network._optimizer.velocities:
    velocity[...] = 0
print("ready", sklearn.__version__, flush=True)
for line in sys.stdin:
    seconds = []
    for _ in range(int(line)):
        begin = time.perf_counter()
        network.partial_fit(x, labels)
        for k, mask in enumerate(masks):
            network.coefs_[k] *= mask
        seconds.append(time.perf_counter() - begin)
    print(*seconds, network.loss_, flush=True)
