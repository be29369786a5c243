#!/usr/bin/env python3
"""Times lfm beside the same model in PyTorch, and prints how many times as fast lfm is.

usage: peer.py LFM PEER [--rounds 5] [--repeats 5] [--threads 2] [--only CASE,...]

A round measures each case here and there, one right after the other, and takes the ratio
of their items a second; who goes first changes from round to round. What is printed is
the median over the rounds, and the least and greatest ratio. It is no test: nothing fails
for being slow.

Nothing else should run meanwhile. Threads of PyTorch spin while they wait for each other,
so on a busy machine it loses far more than its share, and ratios flatter lfm.
"""
import argparse
import json
import statistics
import subprocess
import sys

CASES = "ae-train,encode,decode,flow-train,flow-sample-10"


def measure(command):
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(out)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("lfm")
    ap.add_argument("peer")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--repeats", type=int, default=5)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--only", default=CASES)
    a = ap.parse_args()
    sides = {"lfm": [a.lfm, "bench", "--json", "--no-loss"], "peer": [sys.executable, a.peer]}
    cases = a.only.split(",")
    rates = {c: {s: [] for s in sides} for c in cases}
    for i in range(a.rounds):
        for c in cases:
            for s in sorted(sides, reverse=i % 2 == 1):
                r = measure(sides[s] + ["--only", c, "--repeats", str(a.repeats), "--threads", str(a.threads)])
                rates[c][s].append(r["items_per_s"])
            print(f"round {i + 1} {c}: {rates[c]['lfm'][i]:.2f} and {rates[c]['peer'][i]:.2f} items/s", file=sys.stderr, flush=True)
    print(f"{'case':<15} {'lfm items/s':>12} {'peer items/s':>12} {'ratio':>6}  of {a.rounds} rounds, {a.threads} threads")
    for c in cases:
        ours, theirs = rates[c]["lfm"], rates[c]["peer"]
        ratios = [x / y for x, y in zip(ours, theirs)]
        print(f"{c:<15} {statistics.median(ours):>12.2f} {statistics.median(theirs):>12.2f} {statistics.median(ratios):>6.2f}  {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
