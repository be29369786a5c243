"""Golden values of PSNR and SSIM, from the plain two-dimensional definition in numpy (float64); it stops where scikit-image says otherwise.

	/usr/bin/python3 internal/metrics/testdata/golden.py > internal/metrics/testdata/golden.json

Pictures: byte i of picture s is (i*i*(2s+3) + 17*i*s + s) >> 3, modulo 256; the second picture of a pair is the first
with (i*7 + s) modulo (2*amount + 1) - amount added, cut to 0..255.
"""
import json

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def picture(n, s):
    i = np.arange(n, dtype=np.int64)
    return ((i * i * (2 * s + 3) + 17 * i * s + s) >> 3) % 256


def disturbed(a, s, amount):
    i = np.arange(len(a), dtype=np.int64)
    return np.clip(a + (i * 7 + s) % (2 * amount + 1) - amount, 0, 255)


def psnr(a, b):
    value = -10 * np.log10(max(((a / 255 - b / 255) ** 2).mean(), 1e-10))
    assert (a == b).all() or abs(value - peak_signal_noise_ratio(a, b, data_range=255)) < 1e-12
    return value


def ssim(a, b, h, w, c):
    g = np.exp(-(np.arange(11.0) - 5) ** 2 / (2 * 1.5**2))
    g = np.outer(g / g.sum(), g / g.sum())
    a, b = (v.reshape(h, w, c).mean(2) / 255 for v in (a, b))
    values = []
    for y in range(h - 10):
        for x in range(w - 10):
            p, q = a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11]
            mp, mq = (g * p).sum(), (g * q).sum()
            vp, vq, cov = (g * p * p).sum() - mp * mp, (g * q * q).sum() - mq * mq, (g * p * q).sum() - mp * mq
            values.append((2 * mp * mq + 1e-4) * (2 * cov + 9e-4) / ((mp * mp + mq * mq + 1e-4) * (vp + vq + 9e-4)))
    theirs = structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)
    assert abs(np.mean(values) - theirs) < 1e-12, (np.mean(values), theirs)
    return np.mean(values)


cases = []
for s, (h, w, c, amount) in enumerate([(32, 32, 3, 4), (32, 32, 3, 40), (28, 28, 1, 12), (16, 24, 3, 90), (11, 11, 3, 1), (20, 13, 4, 0)]):
    a = picture(h * w * c, s)
    b = disturbed(a, s, amount)
    cases.append(dict(h=h, w=w, c=c, seed=s, amount=amount, psnr=float(psnr(a, b)), ssim=float(ssim(a, b, h, w, c))))
print(json.dumps(cases, indent=1))
