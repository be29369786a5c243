"""What scipy's linear_sum_assignment takes for the matrices of BenchmarkAssign, and Assign beside it, in milliseconds.

	/usr/bin/python3 internal/ot/testdata/time.py

The two take turns, five times, so that both see the same machine; the medians and their ratio are printed.
"""
import re
import subprocess
import time
from statistics import median

import numpy as np
from scipy.optimize import linear_sum_assignment


def mixed(start, n):
    with np.errstate(over="ignore"):
        z = (np.arange(start, start + n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def plane(n):
    x = mixed(0, 2 * n).astype(np.float32).reshape(n, 2).astype(float)
    y = (4 * mixed(2 * n, 2 * n)).astype(np.float32).reshape(n, 2).astype(float)
    return np.square(x[:, None] - y[None]).sum(-1)


costs = {}
for n in (256, 1024):
    costs[f"uniform/{n}"] = mixed(0, n * n).reshape(n, n)
    costs[f"plane/{n}"] = plane(n)
theirs, ours = {k: [] for k in costs}, {k: [] for k in costs}
for _ in range(5):
    for name, c in costs.items():
        start = time.perf_counter()
        for _ in range(3):
            linear_sum_assignment(c)
        theirs[name].append((time.perf_counter() - start) / 3 * 1e3)
    out = subprocess.run(["go", "test", "./internal/ot", "-run", "^$", "-bench", "Assign", "-benchtime", "3x"],
                         capture_output=True, text=True, check=True).stdout
    for name, ns in re.findall(r"BenchmarkAssign/(\w+/\d+)\S*\s+\d+\s+([\d.]+) ns/op", out):
        ours[name].append(float(ns) / 1e6)
for name in costs:
    a, b = median(ours[name]), median(theirs[name])
    print(f"{name:14s} Assign {a:8.2f}   scipy {b:8.2f}   ratio {a / b:.2f}")
