"""What numpy, scipy and scikit-learn take for the sets of the benchmarks, in milliseconds (median of nine).

	/usr/bin/python3 internal/metrics/testdata/time.py; go test ./internal/metrics -run '^$' -bench .
"""
import time

import numpy as np
from scipy.linalg import sqrtm
from sklearn.metrics import pairwise_distances


def clock(name, f):
    times = []
    for _ in range(9):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    print(f"{name:10s} {1e3 * np.median(times):8.1f}")


def frechet(x, y):
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    return np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)


def cover(real, fake, k):
    radius = lambda x: np.partition(pairwise_distances(x), k, axis=1)[:, k]
    d, r = pairwise_distances(real, fake), radius(real)
    inside = d < r[:, None]
    return inside.any(0).mean(), (d < radius(fake)[None, :]).any(1).mean(), inside.sum(0).mean() / k, (d.min(1) < r).mean()


g = np.random.default_rng(0)
x, y = g.standard_normal((2, 10000, 64), dtype=np.float32)
clock("Frechet", lambda: frechet(x, y))
clock("Cover", lambda: cover(x[:5000], y[:5000], 5))
