#!/usr/bin/env python3
"""What it costs: CPython's locks, the port's and other makes, measured side by side in one interleaved run (chapter 22).

Every round goes through all works, and in each work through all peers in an order drawn anew. A measurement during which somebody else kept the
processors busy is repeated. What was measured is kept as it comes in build/reports/bench-raw.csv, so an interrupted run loses nothing; with --more
the rounds of this run are added to those that are there. The report (bench.md, bench-found.md, bench-missed.md, bench.csv, bench-*.svg) is made of all of them.
"""
import argparse
import csv
import dataclasses
import datetime
import json
import os
import pathlib
import random
import re
import select
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "upstream-refs"), str(ROOT / "book")]
import bench_report  # noqa: E402
import fetch  # noqa: E402
import refs  # noqa: E402
from machine import command, write  # noqa: E402

ROOM = ROOT / "build/bench"
REPORTS = ROOT / "build/reports"
CRATES = ["parking-lot", "parking-lot-core", "lock-api", "smallvec", "scopeguard", "cfg-if", "libc"]
FIELDS = ["round", "work", "threads", "section", "gap", "peer", "value", "least", "most", "longest", "foreign", "clean"]
REPEATS = 4


class Wrong(SystemExit):
    """A condition that stops the bench with one line."""


# ---- the peers

@dataclasses.dataclass
class Peer:
    name: str
    title: str
    have: object = None         # a function: the version, or raises Missing

    def version(self):
        return self.have() if self.have else ""


class Missing(Exception):
    """Why a peer cannot be had, in a few words."""


def debian(package):
    """The version of an installed package of Debian."""
    def ask():
        asked = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package], capture_output=True, text=True)
        state, _, version = asked.stdout.partition(" ")
        if asked.returncode or state != "installed":
            raise Missing(f"{package} is not installed: make setup bench")
        return version
    return ask


def llvm():
    """The newest of the LLVMs that Debian numbers; the same that tests/bench.mk takes."""
    folders = sorted(pathlib.Path("/usr/lib").glob("llvm-*/include/llvm"))
    if not folders:
        raise Missing("llvm-dev is not installed: make setup bench")
    return debian(f"{folders[-1].parent.parent.name}-dev")()


def libc():
    return f"glibc {os.confstr('CS_GNU_LIBC_VERSION').split()[-1]}"


def cpython_gil():
    """Debian's static library of CPython 3.14: its objects, and the headers that they were made with."""
    place = ROOM / "cpython"
    root = fetch.packages(place, "unstable", ["libpython3.14-dev"], "bench")
    archive = root and next(root.glob("usr/lib/*/libpython3.14.a"), None)
    if archive is None:
        raise Missing("libpython3.14-dev of Debian's unstable could not be had")
    members = ["lock.o", "parking_lot.o", "pyarena.o", "thread.o", "bootstrap_hash.o", "pyhash.o"]
    if not all((place / member).is_file() for member in members):
        subprocess.run(["ar", "x", archive, *members], cwd=place, check=True)
    header = (root / "usr/include/python3.14/patchlevel.h").read_text(encoding="utf-8")
    return f"{re.search(r'PY_VERSION +.([0-9.a-z+]+)', header).group(1)}, Debian's object code"


def cpython_ft():
    """lock.c and parking_lot.c of the pinned source, compiled here as the free-threaded build has them, with 3.14's pyconfig.h of Debian."""
    cpython_gil()
    if refs.tree() is None and subprocess.run([sys.executable, ROOT / "upstream-refs/fetch.py"]).returncode:
        raise Missing("CPython's pinned source is not here: make upstream")
    place = ROOM / "cpython-ft"
    place.mkdir(exist_ok=True)
    if not (place / "pyconfig.h").exists():
        write(place / "pyconfig.h", next((ROOM / "cpython/root/usr/include").glob("*-*/python3.14/pyconfig.h")).read_bytes())
    return f"{refs.VERSION}, its C files compiled here with Py_GIL_DISABLED"


def policy():
    if "GF_UPSTREAM_POLICY" not in (ROOT / "Makefile").read_text(encoding="utf-8"):
        raise Missing("this tree has one policy")
    return "make POLICY=upstream"


def rust(crate=None):
    def ask():
        if shutil.which("rustc") is None:
            raise Missing("no rustc here: make setup bench")
        root = fetch.packages(ROOM / "crates", "bookworm", [f"librust-{name}-dev" for name in CRATES], "bench")
        if root is None:
            raise Missing("the librust packages of Debian's bookworm could not be had")
        version = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.split()[1]
        found = next(root.glob(f"usr/share/cargo/registry/{crate}-[0-9]*"), None) if crate else None
        return f"{found.name.rpartition('-')[2]}, rustc {version}" if found else f"rustc {version}"
    return ask


PEERS = [
    Peer("cpython-gil", "CPython, GIL build", cpython_gil),
    Peer("cpython-ft", "CPython, free-threaded", cpython_ft),
    Peer("port-gil", "the port, GIL build"),
    Peer("port-ft", "the port, free-threaded"),
    Peer("upstream-gil", "the port with upstream's policy, GIL build", policy),
    Peer("upstream-ft", "the port with upstream's policy, free-threaded", policy),
    Peer("parking-lot", "parking_lot (Rust)", rust("parking_lot")),
    Peer("rust-std", "std::sync::Mutex (Rust)", rust()),
    Peer("abseil", "absl::Mutex", debian("libabsl-dev")),
    Peer("nsync", "nsync_mu", debian("libnsync-dev")),
    Peer("pthread", "pthread mutex, default", libc),
    Peer("adaptive", "pthread mutex, adaptive", libc),
    Peer("sem", "POSIX semaphore", libc),
    Peer("futex", "futex of three states, ours"),
    Peer("bare", "bare compare-exchange, exchange"),
    Peer("raw-thread", "pthread_create and pthread_join", libc),
    Peer("bump", "bare bump of a pointer"),
    Peer("obstack", "obstack", libc),
    Peer("apr", "APR pool", debian("libapr1-dev")),
    Peer("pmr", "std::pmr monotonic buffer", debian("g++")),
    Peer("llvm", "LLVM BumpPtrAllocator", llvm),
    Peer("malloc", "malloc and free", libc),
]


# ---- the plan

@dataclasses.dataclass(frozen=True)
class Cell:
    work: str
    threads: int = 1
    section: int = 0
    gap: int = 0                # of the work timed: the limit
    ms: int = 20
    locks: int = 1
    turns: int = 0
    among: tuple = ()           # these peers alone

    @property
    def label(self):
        return self.work + (f"-{self.locks}-locks" if self.locks > 1 else "") + (f"-{self.turns}-turns" if self.turns else "")

    @property
    def cost(self):
        """About how many milliseconds it takes: a bucket has to be filled, a waiter that is due comes back many times."""
        return self.ms + (1500 if self.work.startswith("bucket") else 400 if self.work.startswith(("due", "poller")) else 40)

    def line(self, peer):
        return f"{peer} {self.work} {self.threads} {self.section} {self.gap} {self.ms} {self.locks} {self.turns}\n"

    def matches(self, wanted):
        return not wanted or any(self.label.startswith(w) for w in wanted)


WATCHED = ("cpython-gil", "cpython-ft", "port-gil", "port-ft", "parking-lot")       # whose longest wait is looked for in every cell
CONTEST = (*WATCHED, "pthread")     # who is asked to let a waiter in that is due; the last of them starves it for 5 s


def smoke_plan():
    """Every work once, for an instant."""
    return [dataclasses.replace(cell, ms=1) for cell in {cell.label: cell for cell in reversed(plan(True))}.values()]


def plan(quick):
    cells = [Cell("uncontended", ms=10 if quick else 30)]
    matrix = [(threads, section, gap) for threads in ((2, 8, 256) if quick else (2, 4, 8, 64, 256))
              for section in ((0, 1000) if quick else (0, 50, 1000)) for gap in ((0, 200) if quick else (0, 100, 200))]
    cells += [Cell("crowd", *where, 40 if quick else 60 if where[0] < 64 else 100) for where in matrix]
    cells += [Cell("wait", *where, 60 if quick else 200, among=WATCHED) for where in matrix if where != (8, 1000, 0)]
    cells += [Cell("wait", 8, 1000, 0, ms=100 if quick else 300)]
    cells += [Cell("crowd", 8, 50, 100, 40 if quick else 60, locks=locks) for locks in (2, 4)]
    cells += [Cell("crowd", 8, section, 100, turns=10000) for section in (50, 1000)]
    cells += [Cell(work, ms=20 if quick else 50) for work in ("arena-warm", "start", "urandom", "hash-8", "hash-64", "hash-4096")]
    cells += [Cell("arena-cold", ms=30 if quick else 100), Cell("pass", 2, ms=50 if quick else 100)]
    cells += [Cell(work, ms=1) for work in ("bucket-same", "bucket-other", "bucket-hit")]
    cells += [Cell("alternate", 2, ms=50 if quick else 100)]
    cells += [Cell("timed", 2, hold * 1000000, limit * 1000000, ms=100 if quick else 400) for hold, limit in ((2, 5), (5, 12))]
    cells += [Cell("latency", 2, 2000000, 0, ms=100 if quick else 400)]
    cells += [Cell(work, ms=1, among=WATCHED if quick else CONTEST) for work in ("poller", "due-equal", "due-idle", "due-fifo")]
    return cells


def crowd_cell(text):
    """THREADS:SECTION/GAP[:LOCKS[:TURNS]], a crowd of one's own."""
    found = re.fullmatch(r"(\d+):(\d+)/(\d+)(?::(\d+)(?::(\d+))?)?", text)
    if not found:
        raise Wrong(f"bench: {text} is no crowd; one is 8:50/100, with two locks 8:50/100:2, with 10,000 turns a thread 8:50/100:1:10000")
    threads, section, gap, locks, turns = (int(word or 0) for word in found.groups())
    return Cell("crowd", threads, section, gap, 100, locks=locks or 1, turns=turns)


def value_of(cell, answer):
    """What is shown of a measurement: ns, µs or ms of one, millions a second, or a share in hundredths."""
    if cell.work == "crowd":
        return 1e3 * answer["times"] / answer["ns"]
    if cell.work == "wait":
        return answer["worst"] / 1e6
    if cell.work == "timed":
        return 100 * answer["in_time"] / max(answer["asked"], 1)
    if cell.work == "latency":
        return answer["median"] / 1e6
    if cell.work == "poller" or cell.work.startswith("due"):
        return answer["ns"] / 1e6
    if "least" in answer:
        return answer["ns"] / max(answer["times"], 1) / 1e3
    return answer["ns"]


# ---- the measuring

class Program:
    """The bench's program, started again when it falls."""

    def __init__(self, path):
        self.path, self.child = path, None

    def ask(self, peer, cell):
        if self.child is None:
            self.child = subprocess.Popen([self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.child.stdin.write(cell.line(peer))
        self.child.stdin.flush()
        ready, _, _ = select.select([self.child.stdout], [], [], 30 + cell.ms / 10)
        line = self.child.stdout.readline() if ready else ""
        try:
            return json.loads(line)
        except ValueError:
            self.close()
            return {"error": "did not answer in time" if not ready else "the program fell"}

    def close(self):
        if self.child is not None:
            self.child.kill()
            self.child.communicate()
            self.child = None


def foreign_share(answer, cpus):
    """The share of the processors' time that went to others, as far as ticks of the clock can tell.

    busy is counted in ticks (10 ms each), so it may be off by one tick a processor at either end: that much is forgiven.
    """
    span = answer.get("span") or answer["ns"]
    over = answer["busy"] - answer["own"] - 2e7 * cpus
    return max(0.0, over / (span * cpus))


def measure(program, peer, cell, cpus, patience):
    """One measurement, repeated while somebody else is running: (answer, the share of others, how often it was repeated)."""
    for again in range(patience + 1):
        answer = program.ask(peer.name, cell)
        if "error" in answer:
            raise Wrong(f"bench: {peer.name}, {cell.work}, {cell.threads} threads: {answer['error']}")
        if answer.get("excluded") == 0:
            raise Wrong(f"bench: {peer.name}, {cell.work}: two threads were under the lock at once")
        foreign = foreign_share(answer, cpus)
        if foreign < bench_report.FOREIGN:
            break
        time.sleep(0.2 * (again + 1))
    return answer, foreign, again


class Progress:
    """One line that is written over on a terminal; elsewhere a line every ten seconds. What is left is told by the time that is asked for."""

    def __init__(self, whole):
        self.whole, self.done, self.start, self.told, self.repeated = whole, 0, time.monotonic(), 0.0, 0

    def step(self, part, text):
        self.done += part
        now = time.monotonic()
        if now - self.told < (0.2 if sys.stderr.isatty() else 10) and self.done < self.whole:
            return
        self.told = now
        left = (now - self.start) / self.done * (self.whole - self.done)
        line = f"bench: {100 * self.done // self.whole:3} %, about {int(left) // 60}:{int(left) % 60:02} left; {text}"
        line += f"; {self.repeated} repeated for foreign load" if self.repeated else ""
        print(f"\r\x1b[K{line}" if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)

    def end(self):
        if sys.stderr.isatty():
            print(file=sys.stderr)


def run(program, cells, peers, works, rounds, first, out, patience):
    """All rounds, written as they come. Returns the works that this machine refuses."""
    cpus = len(os.sched_getaffinity(0))
    jobs = [(cell, [peer for peer in peers if cell.work in works[peer.name] and (not cell.among or peer.name in cell.among)]) for cell in cells]
    progress, refused = Progress(rounds * sum(cell.cost * len(able) for cell, able in jobs)), set()
    for number in range(first, first + rounds):
        for cell, able in jobs:
            for peer in random.sample(able, len(able)):
                answer, foreign, again = measure(program, peer, cell, cpus, patience)
                progress.repeated += again
                if answer.get("refused"):
                    refused.add(cell.label)
                else:
                    longest = f"{answer['worst'] / 1e6:.6g}" if cell.work == "latency" else ""
                    out.writerow([number, cell.label, cell.threads, cell.section, cell.gap, peer.name, f"{value_of(cell, answer):.6g}",
                                  answer.get("least", ""), answer.get("most", ""), longest, f"{foreign:.3f}", int(foreign < bench_report.FOREIGN)])
                progress.step(cell.cost, f"round {number - first + 1} of {rounds}, {cell.label}" + (f", {cell.threads} threads" if cell.threads > 1 else ""))
    progress.end()
    return refused


# ---- the whole

def build(peers):
    names = " ".join(peer.name for peer in peers)
    made = subprocess.run(["make", "-s", "-C", ROOT, "build/bench/bench", f"BENCH_PEERS={names}"], env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")})
    if made.returncode:
        raise Wrong("bench: the program does not build (above)")
    listed = subprocess.run([ROOM / "bench", "--list"], capture_output=True, text=True, check=True).stdout
    return {name: set(works.split()) for name, works in (line.split("\t") for line in listed.splitlines())}


def machine():
    """What it was measured on; no host name."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    model = re.search(r"^model name\s*: (.*)$", cpuinfo, re.MULTILINE)
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    return {"processor": model.group(1).strip() if model else os.uname().machine, "cores": len(os.sched_getaffinity(0)),
            "kernel": f"{os.uname().sysname} {os.uname().release.split('-')[0]}", "compiler": compiler,
            "virtual": " (a virtual machine)" if "hypervisor" in cpuinfo else ""}


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--quick", action="store_true", help="fewer cells and rounds: about three minutes")
    arg.add_argument("--rounds", type=int, help="how often everything is measured (5; quick: 3)")
    arg.add_argument("--work", action="append", default=[], help="only works whose name starts so: uncontended, crowd, …")
    arg.add_argument("--peer", action="append", default=[], help="only these peers (CPython's are measured as well, to compare with)")
    arg.add_argument("--crowd", action="append", default=[], metavar="THREADS:SECTION/GAP[:LOCKS[:TURNS]]", help="this crowd instead of the plan's works (times in ns)")
    arg.add_argument("--more", action="store_true", help="add the rounds to those measured before")
    arg.add_argument("--keep", action="store_true", help="copy the report into book/reports/, for the book")
    arg.add_argument("--smoke", action="store_true", help="each work of each peer for an instant: does it all build and run?")
    arg.add_argument("--report", action="store_true", help="measure nothing: make the report of what was measured before")
    opt = arg.parse_args()
    unknown = set(opt.peer) - {peer.name for peer in PEERS}
    if unknown:
        raise Wrong(f"bench: no peer called {', '.join(sorted(unknown))}; there are {' '.join(peer.name for peer in PEERS)}")
    wanted = [p for p in PEERS if not opt.peer or p.name in opt.peer or p.name.startswith("cpython")]
    ROOM.mkdir(parents=True, exist_ok=True)
    REPORTS.mkdir(parents=True, exist_ok=True)
    place = ROOM / "smoke" if opt.smoke else REPORTS
    place.mkdir(exist_ok=True)
    raw, facts = place / "bench-raw.csv", place / "bench-raw.json"
    if not opt.report:
        measure_all(opt, wanted, raw, facts)
    if not raw.is_file():
        raise Wrong("bench: nothing was measured yet")
    bench_report.write(raw, json.loads(facts.read_text(encoding="utf-8")), place)
    if opt.smoke:
        return smoke(place / "bench.csv")
    print((place / "bench.md").read_text(encoding="utf-8"))
    if opt.keep:
        kept = ROOT / "book/reports"
        for path in [*(REPORTS / name for name in ("bench.md", "bench-found.md", "bench-missed.md", "bench.csv")), *REPORTS.glob("bench-*.svg")]:
            write(kept / path.name, path.read_bytes())
        print(f"bench: kept in {kept.relative_to(ROOT)}/", file=sys.stderr)
    return 0


def smoke(path):
    """Whether every work and every peer that could be had left a figure."""
    with open(path, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    works, peers = {row["work"] for row in rows}, {row["peer"] for row in rows}
    lost = {cell.label for cell in plan(True)} - works - {"due-fifo"}       # which a machine may refuse
    print(f"bench: {len(peers)} peers, {len(works)} works, {len(rows)} figures" + (f"; none of {', '.join(sorted(lost))}" if lost else ""))
    return 1 if lost else 0


def measure_all(opt, wanted, raw, facts):
    peers, missing = [], {}
    for peer in wanted:
        try:
            peers.append((peer, peer.version()))
        except Missing as why:
            missing[peer.name] = str(why)
            print(f"bench: without {peer.title}: {why}", file=sys.stderr)
    works = build([peer for peer, _ in peers])
    cells = list(map(crowd_cell, opt.crowd)) or [cell for cell in (smoke_plan() if opt.smoke else plan(opt.quick)) if cell.matches(opt.work)]
    if not cells:
        raise Wrong(f"bench: no work called {' '.join(opt.work)}; there are {' '.join(sorted({c.label for c in plan(False)}))}")
    first = 1
    if opt.more and raw.is_file():
        with open(raw, encoding="utf-8") as file:
            first += max((int(row["round"]) for row in csv.DictReader(file)), default=0)
    else:
        raw.unlink(missing_ok=True)
    known = {"at": datetime.date.today().isoformat(), "machine": machine(), "missing": missing, "quick": opt.quick, "refused": [],
             "peers": {peer.name: version for peer, version in peers}, "titles": {peer.name: peer.title for peer in PEERS}}
    write(facts, json.dumps(known))
    program = Program(ROOM / "bench")
    try:
        with open(raw, "a", encoding="utf-8", newline="", buffering=1) as file:
            out = csv.writer(file)
            if file.tell() == 0:
                out.writerow(FIELDS)
            rounds = opt.rounds or (1 if opt.smoke else 3 if opt.quick else 5)
            known["refused"] = sorted(run(program, cells, [peer for peer, _ in peers], works, rounds, first, out, 0 if opt.smoke else REPEATS))
            write(facts, json.dumps(known))
    except KeyboardInterrupt:
        print("\nbench: interrupted; the report is made of what was measured until now", file=sys.stderr)
    finally:
        program.close()


if __name__ == "__main__":
    command("bench", main)
