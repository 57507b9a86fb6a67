"""Baseline and graft side by side: each figure by both, in turns, one right after the other; medians, and ratios of the pairs.

A workload is a Python text that prints one number, or a command whose time is taken from outside. Times are in the unit that
is named; of locks it is operations a second, so there more is better.
"""
import os
import statistics
import time

import regress
import report
from packages import BUILD, ROOT, say
import machine

ROUNDS = 15
IN_PROCESS = "import time\n{setup}\nbest = []\nfor _ in range(3):\n    start = time.perf_counter()\n    {body}\n    best.append(time.perf_counter() - start)\nprint(min(best) * 1e3)\n"

# name, unit, more is better, the program
WORK = [
    ("start and end: `python -c pass`", "ms", None, "pass"),
    ("import `asyncio`, `unittest`, `argparse`", "ms", None, "import asyncio, unittest, argparse"),
    ("compile `_pydecimal.py`, 6,000 lines", "ms", {"setup": "import _pydecimal; text = open(_pydecimal.__file__).read()", "body": "compile(text, 'x', 'exec')"}, None),
    ("parse it to an `ast`, and let go", "ms", {"setup": "import ast, _pydecimal; text = open(_pydecimal.__file__).read()", "body": "ast.parse(text)"}, None),
    ("1,000 threads started and joined", "ms", {"setup": "import threading", "body": "for i in range(1000): t = threading.Thread(target=int); t.start(); t.join()"}, None),
    ("1,000,000 times `with threading.Lock()`", "ms", {"setup": "import threading; k = threading.Lock()\ndef f():\n    for i in range(1000000):\n        with k: pass", "body": "f()"}, None),
    ("1,000,000 times `with threading.RLock()`", "ms", {"setup": "import threading; k = threading.RLock()\ndef f():\n    for i in range(1000000):\n        with k: pass", "body": "f()"}, None),
    ("20,000 hand-overs through two `SimpleQueue`s", "ms", {"setup": "import queue, threading\na, b = queue.SimpleQueue(), queue.SimpleQueue()\ndef echo():\n    while (x := a.get()) is not None: b.put(x)\n"
     "def f():\n    t = threading.Thread(target=echo); t.start()\n    for i in range(20000): a.put(i); b.get()\n    a.put(None); t.join()", "body": "f()"}, None),
    ("400,000 strings made, hashed, put into a `dict`", "ms", {"setup": "def f():\n    d = {}\n    for i in range(400000): d['key %d' % i] = i", "body": "f()"}, None),
    ("200,000 times `os.urandom(16)`", "ms", {"setup": "import os\ndef f():\n    for i in range(200000): os.urandom(16)", "body": "f()"}, None),
]
LOCKS = [(threads, mutex) for mutex in (True, False) for threads in (1, 2, 4)]


def once(interpreter, job):
    """One figure of one workload on one interpreter."""
    kind, _, inner, outer = job
    if inner is None:
        start = time.perf_counter()
        status, out = regress.python(interpreter, "-c", outer)
        figure = (time.perf_counter() - start) * 1e3
    else:
        status, out = regress.python(interpreter, "-c", IN_PROCESS.format(**inner))
        figure = float(out) if status == 0 else None
    if status != 0:
        raise SystemExit(f"graft: {kind} fails on {interpreter.name}:\n{out[-1000:]}")
    return figure


def locks(interpreter, threads, mutex):
    """What CPython's own benchmark of locks counts: operations in a microsecond, all threads together."""
    code = f"import _testinternalcapi as t; print(t.benchmark_locks({threads}, {mutex}, 1, 150)[0] / 1e6)"
    status, out = regress.python(interpreter, "-c", code)
    if status != 0:
        raise SystemExit(f"graft: benchmark_locks fails on {interpreter.name}:\n{out[-1000:]}")
    return float(out)


def pairs(one, rounds):
    """(figures of the baseline, of the graft); who goes first alternates."""
    base, other = BUILD / "bin/python-baseline", BUILD / "bin/python-graft"
    one(base), one(other)               # files are read, caches of compiled modules written
    figures = {base: [], other: []}
    for i in range(rounds):
        for side in ((base, other) if i % 2 else (other, base)):
            figures[side].append(one(side))
    return figures[base], figures[other]


def row(name, unit, base, other):
    ratios = sorted(b / a for a, b in zip(base, other))
    quarters = statistics.quantiles(ratios, n=4)
    digits = 0 if statistics.median(base) >= 100 else 1
    return {"what": name, "unit": unit, "baseline": f"{statistics.median(base):,.{digits}f}", "graft": f"{statistics.median(other):,.{digits}f}",
            "ratio": f"{statistics.median(ratios):.2f}", "middle half": f"{quarters[0]:.2f} to {quarters[2]:.2f}"}


def main(builder, made, rounds=None):
    rounds = rounds or int(os.environ.get("ROUNDS", ROUNDS))
    rows = []
    for job in WORK:
        rows.append(row(job[0], job[1], *pairs(lambda side, job=job: once(side, job), rounds)))
        say(" · ".join(str(v) for v in rows[-1].values()))
    for threads, mutex in LOCKS:
        name = f"`benchmark_locks`: {'`PyMutex`' if mutex else '`PyThread_type_lock`'}, {threads} thread{'s' * (threads > 1)}"
        rows.append(row(name, "million/s", *pairs(lambda side: locks(side, threads, mutex), rounds)))
        say(" · ".join(str(v) for v in rows[-1].values()))
    head = ["What", "Unit", ">Baseline", ">Graft", ">Ratio", ">Middle half of the ratios"]
    text = f"{report.setting(made, builder.root)} Medians of {rounds} rounds.\n\n" + report.table(head, [list(r.values()) for r in rows])
    machine.write(report.REPORTS / "graft-bench.md", text + "\n")
    say(f"written to {(report.REPORTS / 'graft-bench.md').relative_to(ROOT)}")
    return 0
