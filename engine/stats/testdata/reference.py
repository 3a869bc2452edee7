"""Makes reference.json, the values that the tests hold this package against: python reference.py > reference.json

Needs scipy; the committed file was made with scipy 1.17.1.
"""
import json
import math
from fractions import Fraction

import numpy as np
from scipy import stats


def exact(statistic, a, b):
    """p-values of a rank or mean statistic by all permutations: two-sided around what is expected, up, down."""
    def run(alternative, f):
        return float(stats.permutation_test((a, b), f, permutation_type="independent", n_resamples=np.inf,
                                            alternative=alternative, vectorized=False).pvalue)
    pooled = np.concatenate([a, b])
    ranks = stats.rankdata(pooled)
    if statistic == "ranks":
        lookup = dict(zip(pooled.tolist(), ranks.tolist()))
        expected = len(b) * (len(pooled) + 1) / 2
        up = lambda x, y: sum(lookup[v] for v in y) - expected
    else:
        up = lambda x, y: (np.mean(y) - np.mean(x)) / math.sqrt(np.var(x, ddof=1) / len(x) + np.var(y, ddof=1) / len(y))
    far = lambda x, y: abs(up(x, y))
    return {"p": run("greater", far), "up": run("greater", up), "down": run("less", up)}


def signs(diffs):
    ranks = stats.rankdata(np.abs(diffs))
    up = lambda d: float(np.sum(np.sign(d) * ranks))
    run = lambda alternative, f: float(stats.permutation_test(
        (diffs,), f, permutation_type="samples", n_resamples=np.inf, alternative=alternative, vectorized=False).pvalue)
    return {"p": run("greater", lambda d: abs(up(d))), "up": run("greater", up), "down": run("less", up)}


rng = np.random.default_rng(14)
out = {"rank_sum": [], "normal": [], "means": [], "welch": [], "signed_rank": [], "fisher": [], "student": [],
       "bounds": [], "interval_rank": [], "serial": [], "kendall": []}
case = lambda a, b, **more: {"a": [float(v) for v in a], "b": [float(v) for v in b], **more}

small = [
    ([1, 2, 2, 3, 3, 3, 5], [2, 3, 4, 4, 5, 6]),
    ([0.9] * 9, [0.9] * 4 + [0]),
    ([1, 1, 1, 1, 2], [1, 2, 2, 2, 2, 2, 3]),
    (rng.integers(0, 4, 8), rng.integers(1, 5, 6)),
    (rng.normal(0, 1, 9), rng.normal(1, 1, 5)),
    (rng.normal(0, 1, 6), rng.normal(1, 1, 8)),
]
for a, b in small:
    out["rank_sum"].append(case(a, b, **exact("ranks", np.array(a, float), np.array(b, float))))
cold = ([0.9] * 20, [0.9] * 9 + [0.0])
out["rank_sum"].append(case(*cold, p=float(stats.fisher_exact([[20, 0], [9, 1]]).pvalue), up=1.0,
                            down=float(stats.fisher_exact([[20, 0], [9, 1]], alternative="greater").pvalue)))
a, b = rng.normal(0, 1, 20), rng.normal(0.8, 1, 17)
u = lambda alternative: float(stats.mannwhitneyu(b, a, alternative=alternative, method="exact").pvalue)
out["rank_sum"].append(case(a, b, p=u("two-sided"), up=u("greater"), down=u("less")))
for m, n in [(300, 300), (1000, 1000)]:
    a, b = np.round(rng.normal(100, 3, m), 1), np.round(rng.normal(100.3, 3, n), 1)
    u = lambda alternative: float(stats.mannwhitneyu(b, a, alternative=alternative, method="asymptotic").pvalue)
    out["normal"].append(case(a, b, p=u("two-sided"), up=u("greater"), down=u("less")))

for a, b in [([1., 2, 3, 5, 8], [2., 4, 6, 9, 11, 12]), ([0.9, 0.8, 0.9, 0.85, 0.9], [0.9, 0.2, 0.9, 0.1, 0.88, 0.9]),
             (rng.lognormal(0, 1, 8), rng.lognormal(0.5, 1, 7))]:
    out["means"].append(case(a, b, **exact("means", np.array(a), np.array(b))))
for m, n in [(5, 9), (20, 20)]:
    a, b = rng.normal(10, 1, m), rng.normal(11, 3, n)
    ci = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    out["welch"].append(case(a, b, lo=float(ci.low), hi=float(ci.high)))
for d in [[-1., 2, 3, 4, 5, 6], [-1., 1, 2, 2, -3, 5, 6, 6], rng.normal(0.5, 1, 12)]:
    out["signed_rank"].append({"d": [float(v) for v in d], **signs(np.array(d))})
d = rng.normal(0.3, 1, 20)
w = lambda alternative: float(stats.wilcoxon(d, alternative=alternative, method="exact").pvalue)
out["signed_rank"].append({"d": d.tolist(), "p": w("two-sided"), "up": w("greater"), "down": w("less")})
d = rng.normal(0.1, 1, 400)
w = lambda alternative: float(stats.wilcoxon(d, alternative=alternative, method="approx", correction=True).pvalue)
out["signed_rank"].append({"d": d.tolist(), "p": w("two-sided"), "up": w("greater"), "down": w("less")})

for far, n in [((0, 6), (20, 20)), ((1, 5), (20, 20)), ((0, 1), (20, 10)), ((2, 16), (40, 40)), ((7, 3), (12, 30))]:
    table = [[far[0], n[0] - far[0]], [far[1], n[1] - far[1]]]
    f = lambda alternative: float(stats.fisher_exact(table, alternative=alternative).pvalue)
    out["fisher"].append({"far": far, "n": n, "p": f("two-sided"), "up": f("less"), "down": f("greater")})
for p, df in [(0.975, 4), (0.995, 2), (0.995, 4), (0.995, 19), (0.995, 1), (0.9, 60.5)]:
    out["student"].append({"p": p, "df": df, "t": float(stats.t.ppf(p, df))})
for n in [5, 10, 28, 29, 59, 100]:
    for p in [50, 90, 95]:
        q = p / 100
        hi = next((k for k in range(1, n + 1) if stats.binom.cdf(k - 1, n, q) >= 0.95), 0)
        lo = max((k for k in range(1, n + 1) if stats.binom.sf(k - 1, n, q) >= 0.95), default=0)
        out["bounds"].append({"n": n, "p": p, "lo": lo, "hi": hi})


def distribution(m, n):
    """All orders of m and n values by their U, as whole numbers."""
    poly = [1]
    for i in range(1, m + 1):
        longer = poly + [0] * (n + i)
        for u in range(len(poly) - 1, -1, -1):
            longer[u + n + i] -= poly[u]
        for u in range(i, len(longer)):
            longer[u] += longer[u - i]
        poly = longer[:i * n + 1]
    return poly


for m, n in [(5, 5), (20, 13), (60, 60), (100, 100)]:
    counts = distribution(m, n)
    total, below, k = sum(counts), 0, 0
    while Fraction(below + counts[k], total) <= Fraction(25, 1000):
        below, k = below + counts[k], k + 1
    out["interval_rank"].append({"m": m, "n": n, "k": k})
for n in [7, 8]:
    v = rng.normal(0, 1, n).cumsum()
    ranks = stats.rankdata(v)
    neighbours = lambda x: -float(np.sum(np.diff(x) ** 2))
    p = stats.permutation_test((ranks,), neighbours, permutation_type="pairings", n_resamples=np.inf,
                               alternative="greater", vectorized=False).pvalue
    out["serial"].append({"v": v.tolist(), "p": float(p)})
for v in [np.arange(20) + rng.normal(0, 6, 20), np.round(np.arange(12) / 3 + rng.normal(0, 1, 12))]:
    n = len(v)
    score = sum(np.sign(v[j] - v[i]) for i in range(n) for j in range(i + 1, n))
    ties = np.unique(v, return_counts=True)[1]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    slope, intercept, lo, hi = stats.theilslopes(v, np.arange(n))
    out["kendall"].append({"v": v.tolist(), "p": float(2 * stats.norm.sf(max(abs(score) - 1, 0) / math.sqrt(variance))),
                           "slope": float(slope), "tau": float(stats.kendalltau(np.arange(n), v).statistic)})
print(json.dumps(out))
