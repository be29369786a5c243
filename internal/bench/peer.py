#!/usr/bin/env python3
"""Times lfm beside the same model in PyTorch, and prints how many times as fast lfm is.

usage: peer.py LFM PEER [--rounds 5] [--repeats 5] [--threads 2] [--times 1] [--only CASE,...] [--page FILE] [--quick]

A round measures each case here and there, one right after the other, and takes the ratio
of their items a second; who goes first changes from round to round. What is printed is
the median over the rounds, and the least and greatest ratio. --times does all of it so often,
each with medians of its own. It is no test: nothing fails for being slow.

With --page it goes on to measure what docs/performance.md says of lfm, and writes that page:
one thread beside two, AVX2 beside AVX-512, where the time goes, batches and tokens of other
sizes, whole stages, the flow of the default settings. What remarks.md says of a case goes below
its profile. --quick measures everything once, to try the script out.

PyTorch is measured at its best: glibc keeps the memory that it has once given it (see KEEP), and its BLAS
should be OpenBLAS with OpenMP's threads, those that PyTorch itself uses (Debian's libopenblas0-openmp).

Nothing else should run meanwhile. Threads of PyTorch spin while they wait for each other,
so on a busy machine it loses far more than its share, and ratios flatter lfm.
"""
import argparse
import datetime
import glob
import json
import os
import platform
import statistics
import subprocess
import sys
import time

CASES = "ae-train,encode,decode,flow-train,flow-sample-10"
STAGES = "encode-stage,decode-stage"
BATCHES = [16, 32, 64, 128, 256]
TURNS = 15
TOKENS = [64, 256, 1024]
TOKENS_BATCH = 16

# By default glibc gives a large tensor's memory back as soon as it is free, and the next one costs a page fault
# every 4 KiB: up to four fifths of PyTorch's time where page faults are dear, in a virtual machine say.
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(100 << 30), "MALLOC_TOP_PAD_": str(1 << 30)}
FLAGS = "fma avx2 avx512f avx512bw avx512vl avx512_bf16 avx512_vnni amx_tile".split()


def measure(command, env={}):
    """Runs a command that prints one JSON object, and adds to it the most memory it had."""
    lines, rss = run(command, env)
    return {**json.loads(lines), "rss_mb": rss}


def run(command, env={}):
    """What a command prints, and the most memory it had, in MB."""
    p = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **env})
    out = p.stdout.read()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        sys.exit(f"peer.py: {' '.join(command)}: exit code {p.returncode}")
    return out, usage.ru_maxrss * 1024 / 1e6


class Measuring:
    def __init__(self, a):
        self.a = a

    def bench(self, case, threads, *more):
        return [self.a.lfm, "bench", "--json", "--no-loss", "--only", case, "--threads", str(threads), "--repeats", str(self.a.repeats), *map(str, more)]

    def lfm(self, case, threads, *more, env={}):
        return measure(self.bench(case, threads, *more), env)

    def batches(self, case, threads, batches, turns):
        """Measures batches of a case in turn, and gives {batch: result}."""
        out, _ = run(self.bench(case, threads, "--batch", ",".join(map(str, batches)), "--repeats", turns))
        return {r["batch"]: r for r in map(json.loads, out.splitlines())}

    def peer(self, case, threads, env=KEEP):
        return measure([sys.executable, self.a.peer, "--only", case, "--threads", str(threads), "--repeats", str(self.a.repeats)], env)

    def compare(self, cases, threads, sides, rounds):
        """Measures cases on two sides, {name: function of case and threads}, in alternation."""
        results = {c: {s: [] for s in sides} for c in cases}
        for i in range(rounds):
            for c in cases:
                for s in sorted(sides, reverse=i % 2 == 1):
                    results[c][s].append(sides[s](c, threads))
                told = ", ".join(f"{s} {results[c][s][i]['items_per_s']:.2f}" for s in sides)
                print(f"round {i + 1} of {rounds}, {c}, threads {threads}: {told} items/s", file=sys.stderr, flush=True)
        return results


def rate(results):
    return statistics.median(r["items_per_s"] for r in results)


def ratios(over, under):
    """The ratio of items a second in each round: median, least, greatest."""
    r = [x["items_per_s"] / y["items_per_s"] for x, y in zip(over, under)]
    return statistics.median(r), min(r), max(r)


def show(results, a):
    print(f"{'case':<15} {'lfm items/s':>12} {'peer items/s':>12} {'ratio':>6}  of {a.rounds} rounds, {a.threads} threads")
    for c, r in results.items():
        middle, least, most = ratios(r["lfm"], r["peer"])
        print(f"{c:<15} {rate(r['lfm']):>12.2f} {rate(r['peer']):>12.2f} {middle:>6.2f}  {least:.2f} to {most:.2f}")


# ---- the page --------------------------------------------------------------------------------


def first_line(path, begin="", default="?"):
    try:
        with open(path) as f:
            for line in f:
                if line.startswith(begin):
                    return line.removeprefix(begin).strip(" \t:\n")
    except OSError:
        pass
    return default


def machine():
    caches = []
    for d in sorted(glob.glob("/sys/devices/system/cpu/cpu0/cache/index*")):
        kind = first_line(d + "/type")
        caches.append(f"L{first_line(d + '/level')} {kind.lower() + ' ' if kind != 'Unified' else ''}{first_line(d + '/size')}")
    have = first_line("/proc/cpuinfo", "flags").split()
    return [
        ("processor", f"{first_line('/proc/cpuinfo', 'model name', platform.processor())}, {os.cpu_count()} CPUs"),
        ("instructions", ", ".join(f for f in FLAGS if f in have)),
        ("caches", ", ".join(caches) or "?"),
        ("memory", first_line("/proc/meminfo", "MemTotal")),
        ("system", f"{platform.system()} {platform.release()}"),
    ]


def busy(seconds=2):
    """How many processors are at work now. The load average would tell of the minutes before."""

    def times():
        t = [int(x) for x in first_line("/proc/stat", "cpu ", "0").split()[:8]]
        return sum(t), sum(t[3:5])  # in all, and idle

    all0, idle0 = times()
    time.sleep(seconds)
    all1, idle1 = times()
    return os.cpu_count() * (1 - (idle1 - idle0) / (all1 - all0)) if all1 > all0 else 0


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)] + rows
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def percent(x):
    return f"{100 * x:.0f} %"


def remarks():
    """What remarks.md says of each case, by the case's name, of batches and of other machines."""
    with open(os.path.join(os.path.dirname(__file__), "remarks.md")) as f:
        sections = f.read().split("\n## ")[1:]
    return {title: text.strip() for title, _, text in (s.partition("\n") for s in sections)}


def write_page(m, times):
    a, cases = m.a, list(times[0])
    results = {c: {side: [r for t in times for r in t[c][side]] for side in ("lfm", "peer")} for c in cases}
    one = m.compare(cases, 1, {"lfm": m.lfm, "peer": m.peer}, a.rounds)
    version = json.loads(subprocess.run([a.lfm, "version", "--json"], check=True, stdout=subprocess.PIPE).stdout)
    wide = version["kernels"] == "avx512"
    if wide:
        narrow = lambda c, threads: m.lfm(c, threads, env={"LFM_CPU": "avx2"})
        levels = m.compare(cases, a.threads, {"avx512": m.lfm, "avx2": narrow}, min(a.rounds, 3))
    profiles = {c: m.lfm(c, a.threads, "--profile") for c in cases}
    frugal = {c: m.peer(c, a.threads, env={}) for c in cases}
    stages = {c: m.lfm(c, a.threads) for c in STAGES.split(",")}
    batches = BATCHES[:2] if a.quick else BATCHES
    swept = [c for c in cases if c != "flow-sample-10"]
    turns = 1 if a.quick else TURNS
    by_batch = {c: m.batches(c, a.threads, batches, turns) for c in swept}
    by_tokens = [m.lfm("flow-train", a.threads, "--batch", TOKENS_BATCH, "--tokens", n) for n in (TOKENS[:2] if a.quick else TOKENS)]

    unet = [m.lfm(c, a.threads, "--unet", "--profile") for c in ("flow-train", "flow-sample-10")]

    out = [f"""# Performance

Written by `make bench-page` on {datetime.date.today()}: do not edit. `lfm bench --help` says what the cases are and how work is counted, `lfm bench` has the same figures for your machine.
A ratio is the median over rounds in alternation, {a.rounds} of them each time, of lfm's items a second by PyTorch's; figures of another machine, or of a busier day, are others.
"""]
    if a.quick:
        out.append("**A quick try of the script: one round, one repeat. These figures say nothing.**\n")
    elif a.busy > 0.2:
        out.append(f"**Other programs were running (on {a.busy:.1f} processors before the first case): these figures say little.**\n")
    engine = results[cases[0]]
    out.append(table(["", ""], machine() + [("lfm", f"{engine['lfm'][0]['engine']}, {version['go']}"), ("peer", engine["peer"][0]["engine"]),
               ("peak", f"{statistics.median(r['peak_gflops'] for c in cases for r in results[c]['lfm']):.0f} GFLOP/s of multiply-adds on registers alone, {a.threads} threads")]))

    out.append(f"## Beside PyTorch, {a.threads} threads\n\nMemory is the most that the whole process had; PyTorch's libraries are part of its. For speed PyTorch runs with `{' '.join(f'{k}={v}' for k, v in KEEP.items())}`, with which freed memory is used again and not given back to the system and asked for anew; its memory is measured without.\n")
    rows = []
    for c, r in results.items():
        middle, least, most = ratios(r["lfm"], r["peer"])
        ours = r["lfm"]
        each = ", ".join(f"{ratios(t[c]['lfm'], t[c]['peer'])[0]:.2f}" for t in times)
        rows.append([c, ours[0]["batch"], f"{rate(ours):.1f}", f"{rate(r['peer']):.1f}", f"**{middle:.2f}**", each, f"{least:.2f}–{most:.2f}",
                     f"{statistics.median(x['gflops'] for x in ours):.0f}", percent(statistics.median(x["peak_fraction"] for x in ours)),
                     f"{max(x['rss_mb'] for x in ours):.0f}", f"{frugal[c]['rss_mb']:.0f}"])
    out.append(table(["case", "batch", "lfm items/s", "PyTorch items/s", "ratio", f"each of {len(times)} times", "least–greatest", "lfm GFLOP/s", "of peak", "lfm MB", "PyTorch MB"], rows))

    said = remarks()
    out.append(f"## Other machines\n\n{said['other machines']}\n")

    out.append("## Threads\n")
    rows = []
    for c in cases:
        middle, _, _ = ratios(one[c]["lfm"], one[c]["peer"])
        rows.append([c, f"{rate(one[c]['lfm']):.1f}", f"{rate(results[c]['lfm']):.1f}", f"{rate(results[c]['lfm']) / rate(one[c]['lfm']):.2f}",
                     f"{rate(results[c]['peer']) / rate(one[c]['peer']):.2f}", f"{middle:.2f}", percent(statistics.median(x["peak_fraction"] for x in one[c]["lfm"]))])
    out.append(table(["case", "lfm items/s, 1 thread", f"{a.threads} threads", "lfm gains", "PyTorch gains", "ratio, 1 thread", "of peak, 1 thread"], rows))

    if wide:
        out.append("## AVX-512 beside AVX2\n\nThe same machine with `LFM_CPU=avx2`.\n")
        rows = [[c, f"{rate(r['avx2']):.1f}", f"{rate(r['avx512']):.1f}", f"{ratios(r['avx512'], r['avx2'])[0]:.2f}"] for c, r in levels.items()]
        out.append(table(["case", "AVX2 items/s", "AVX-512 items/s", "ratio"], rows))

    out.append("## Whole stages, from disk to disk\n")
    out.append(table(["case", "batch", "items/s", "MB"], [[c, r["batch"], f"{r['items_per_s']:.1f}", f"{r['rss_mb']:.0f}"] for c, r in stages.items()]))

    out.append(f"## Batches\n\nMilliseconds an item, {turns} turns in which each batch gets through as many items; in brackets the median over turns of their ratio to those of {batches[-1]}. `lfm bench --only flow-train --batch {','.join(map(str, batches))} --repeats {turns}`.\n")
    out.append(table(["case"] + batches, [[c] + [f"{1e3 / r[n]['items_per_s']:.2f} ({r[n]['by_last']:.2f})" for n in batches] for c, r in by_batch.items()]) + f"\n{said['batches']}\n")

    out.append(f"## Tokens\n\nTraining R1's flow with other numbers of latent tokens, {TOKENS_BATCH} samples a step.\n")
    out.append(table(["tokens", "ms a sample", "GFLOP a sample", "GFLOP/s", "MB"],
                     [[r.get("tokens", TOKENS[0]), f"{1e3 / r['items_per_s']:.1f}", r["gflop_per_item"], f"{r['gflops']:.0f}", f"{r['rss_mb']:.0f}"] for r in by_tokens]))

    out.append("## The flow of the default settings\n\nA U-Net (`lfm bench --unet`), smaller than R1's transformer.\n")
    out.append(table(["case", "batch", "items/s", "GFLOP an item", "GFLOP/s", "of peak", "MB"],
                     [[r["case"], r["batch"], f"{r['items_per_s']:.1f}", r["gflop_per_item"], f"{r['gflops']:.0f}", percent(r["peak_fraction"]), f"{r['rss_mb']:.0f}"] for r in unet]))

    out.append("## Where the time goes\n\nThe ten costliest operations of a step of each case.\n")
    for c, r in [*profiles.items(), *((f"{r['case']}, U-Net", r) for r in unet)]:
        rows = [[p["name"], p["passes"], f"{p['ms']:.2f}", f"{100 * p['share']:.1f} %", f"{p['gflops']:.0f}" if p["gflops"] else "–"] for p in r["profile"][:10]]
        out.append(f"### {c}\n\n" + table(["operation", "passes", "ms", "share", "GFLOP/s"], rows) + f"\n{said[c]}\n")
    with open(a.page, "w") as f:
        f.write("\n".join(out))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("lfm")
    ap.add_argument("peer")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--repeats", type=int, default=5)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--times", type=int, default=1)
    ap.add_argument("--only", default=CASES)
    ap.add_argument("--page", default="")
    ap.add_argument("--quick", action="store_true")
    a = ap.parse_args()
    a.busy = busy()
    if a.quick:
        a.rounds = a.repeats = a.times = 1
    m = Measuring(a)
    times = []
    for _ in range(a.times):
        times.append(m.compare(a.only.split(","), a.threads, {"lfm": m.lfm, "peer": m.peer}, a.rounds))
        show(times[-1], a)
    if a.page:
        write_page(m, times)


if __name__ == "__main__":
    main()
