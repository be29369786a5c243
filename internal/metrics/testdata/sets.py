"""Golden values of the distances between sets, from scipy and scikit-learn (Debian's, float64).

	apt-get install python3-scipy python3-sklearn
	/usr/bin/python3 internal/metrics/testdata/sets.py > internal/metrics/testdata/sets.json

Number i of set s is the middle 24 bits of (i + 1)(2i + 2s + 3) * 2654435761 modulo 2^64, over 2^24; those of the
second set are scaled and shifted.
"""
import json

import numpy as np
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import polynomial_kernel


def numbers(n, s):
    i = np.arange(n, dtype=np.uint64)
    with np.errstate(over="ignore"):
        v = (i + np.uint64(1)) * (np.uint64(2) * i + np.uint64(2 * s + 3)) * np.uint64(2654435761)
    return ((v >> np.uint64(20)) & np.uint64(0xFFFFFF)).astype(np.float32) / np.float32(2**24)


def frechet(x, y):
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    return np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)


def kernel(x, y):
    n, m = len(x), len(y)
    k = lambda a, b: polynomial_kernel(a, b, degree=3, gamma=1 / a.shape[1], coef0=1)
    a, b, c = k(x, x), k(y, y), k(x, y)
    return (a.sum() - np.trace(a)) / (n * (n - 1)) + (b.sum() - np.trace(b)) / (m * (m - 1)) - 2 * c.mean()


def jackknife(x, y):
    out = 0
    for a, f in ((x, lambda i: kernel(np.delete(x, i, 0), y)), (y, lambda i: kernel(x, np.delete(y, i, 0)))):
        v = np.array([f(i) for i in range(len(a))])
        out += (len(a) - 1) / len(a) * np.square(v - v.mean()).sum()
    return out**0.5


def cover(real, fake, k):
    radius = lambda x: np.sort(pairwise_distances(x), 1)[:, k]  # column 0 is the vector itself
    d = pairwise_distances(real, fake)
    inside = d < radius(real)[:, None]
    return [
        inside.any(0).mean(),
        (d < radius(fake)[None, :]).any(1).mean(),
        inside.sum(0).mean() / k,
        (d.min(1) < radius(real)).mean(),
    ]


def exact(x, y):
    c = pairwise_distances(x, y, metric="sqeuclidean")
    return float(np.sqrt(c[linear_sum_assignment(c)].mean()))


cases = []
for s, (n, m, d, k, scale, shift) in enumerate([(40, 40, 3, 3, 1, 0), (60, 35, 8, 5, 1.5, 0.25), (25, 70, 17, 5, 0.5, 0), (130, 110, 32, 5, 1, 1)]):
    x = numbers(n * d, s).reshape(n, d)
    y = (numbers(m * d, s + 100).reshape(m, d) * np.float32(scale) + np.float32(shift)).astype(np.float32)
    x8, y8 = x.astype(np.float64), y.astype(np.float64)
    cases.append(
        dict(n=n, m=m, d=d, k=k, seed=s, scale=scale, shift=shift, frechet=float(frechet(x8, y8)), kernel=float(kernel(x8, y8)),
             error=float(jackknife(x8, y8)), cover=[float(v) for v in cover(x8, y8, k)], exact=exact(x8[: min(n, m)], y8[: min(n, m)]))
    )
print(json.dumps(cases, indent=1))
