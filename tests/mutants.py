#!/usr/bin/env python3
"""Mutants: change the port's C in one small place, and see whether any test notices.

tests/mutations.py says what is changed: comparisons, arithmetic, conditions, constants, statements left out, values returned,
memory orders. A mutant that does not compile is not counted, nor one whose machine code is that of the port in
every build. The others meet the suites whose run reaches the changed line (measured by gcov), the chapter's own first,
in the GIL build and in the free-threaded one, then the simulation's scenarios that reach it. The first test that fails,
crashes or hangs has killed the mutant; what survives is printed by chapter and line. No run shows a memory order that is too
weak, on most machines: those mutants meet the chapters' ledgers, which make refs holds to the code and make litmus to the model.

tests/mutants.toml argues which survivors no test could tell from the port; they are not counted. An argued line that is
no longer in the port is an error. Results are kept under build/mutants/: a run that was interrupted goes on where it was.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import queue
import random
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

from mutations import ROOT, Broken, argue, chapters, every_mutant

sys.path.insert(0, str(ROOT / "upstream-refs"))
import orders  # noqa: E402

APART = ("check_bench", "check_simulation")         # they test what is not the port
PLACE = ROOT / "build/mutants"
LIMITS = ("prlimit", "--core=0", f"--data={4 << 30}", f"--fsize={1 << 30}")


class Stopped(Exception):
    """The one who runs the tool has had enough."""


def digest(*parts):
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def end_session(leader):
    """Kill whatever is left of the session that we started."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[3]) == leader:
                os.kill(int(stat.parent.name), signal.SIGKILL)
        except (OSError, ValueError, IndexError):
            continue


class Bench:
    """Commands, objects and programs: what make would do, done in a folder of our own."""

    def __init__(self, opt):
        self.opt, self.stop = opt, threading.Event()
        self.suffix = "-upstream" if opt.policy == "upstream" else ""
        self.base, self.commands, self.needs, self.made, self.killers = PLACE / "base", {}, {}, {}, []
        self.book = chapters.load()
        self.ledgers, _ = orders.ledgers(self.book)
        self.suites = {pathlib.Path(n).stem: self.book.chunks[n][0].chapter.number for n in self.book.roots if re.match(r"tests/check_\w+\.c$", n)}
        for name in APART:
            self.suites.pop(name, None)
        self.programs = [*self.suites] + ["simulate"] * (ROOT / "tests/simulate.c").is_file()

    def run(self, command, **more):
        """A tool's run. It has a session of its own, so that a keyboard's interrupt ends us and not it."""
        if self.stop.is_set():
            raise Stopped
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True, **more)
        if self.stop.is_set():
            raise Stopped
        return done

    def make(self, *arguments):
        done = self.run(["make", "--no-print-directory", f"CC={self.opt.cc}", *arguments], env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")})
        if done.returncode:
            raise Broken(f"make {' '.join(arguments)} failed:\n{done.stdout[-3000:]}")
        return done.stdout

    def each(self, work, things):
        """The work, done to each thing by as many workers as were asked for."""
        with concurrent.futures.ThreadPoolExecutor(self.opt.jobs) as pool:
            for job in [pool.submit(work, thing) for thing in things]:
                job.result()

    def build(self, configs):
        """The unchanged port in these configurations. The commands are make's own, without what slows or refuses a mutant."""
        targets = [f"build/{program}.{config}" for config in configs for program in self.programs]
        for line in self.make("LINE=", "-Bn", *targets).replace("\\\n", " ").split("\n"):
            words = shlex.split(line.split("&& ")[-1]) if " -o " in line else []
            if words:
                self.commands[words[words.index("-o") + 1]] = [w for w in words if w not in ("-g", "-Werror", "-MMD", "-MP")]
        self.each(self.compile_base, [o for o in self.commands if o.endswith(".o")])
        for program in targets:
            made = digest(*(self.made[w] for w in self.commands[program] if w.endswith(".o")))
            kept = self.base / f"{program}.json"
            if not (kept.is_file() and kept.read_text() == made):
                self.link(program, self.base, {})
                kept.write_text(made)
            self.made[program] = made

    def compile_base(self, target):
        out = self.base / target
        kept, deps = out.with_suffix(".json"), out.with_suffix(".d")

        def now():
            names = re.sub(r"\\\n|^[^:]*:", " ", deps.read_text(encoding="utf-8")).split()
            return sorted(names), digest(self.commands[target], *(digest((ROOT / n).read_text(encoding="utf-8")) for n in names if (ROOT / n).is_file()))
        if not (kept.is_file() and out.is_file() and kept.read_text() == now()[1]):
            out.parent.mkdir(parents=True, exist_ok=True)
            if not self.compile(target, out, None, "-MMD", "-MF", str(deps)):
                raise Broken(f"the unchanged {target} does not compile")
            kept.write_text(now()[1])
        self.made[target] = now()[1]
        self.needs[target] = {n.removeprefix("tangle/") for n in now()[0] if n.startswith("tangle/")}

    def compile(self, target, out, place, *more):
        """Whether it compiles; `place` holds the one file that is changed, and is looked at before the port's tree."""
        words = list(self.commands[target])
        words[words.index("-o") + 1] = str(out)
        if place:
            tree = place.relative_to(ROOT) / "tangle"
            words[words.index("-Itangle"):words.index("-Itangle")] = [f"-I{tree}", f"-fmacro-prefix-map={place.relative_to(ROOT)}/="]
            words[-1] = str(tree / words[-1].removeprefix("tangle/")) if (place / words[-1]).is_file() else words[-1]
        out.parent.mkdir(parents=True, exist_ok=True)
        return self.run([*words, "-w", *more]).returncode == 0

    def link(self, program, place, changed):
        words = [str(changed.get(w, self.base / w)) if w.endswith(".o") else w for w in self.commands[program]]
        words[words.index("-o") + 1] = str(place / program)
        done = self.run(words)
        if done.returncode:
            raise Broken(f"{program} does not link:\n{done.stdout}")

    def meet(self, command, seconds, **environment):
        """Run a test program. Returns None when it passed, else what went wrong first."""
        env = {**os.environ, "CK_TAP_LOG_FILE_NAME": "-", "CK_VERBOSITY": "silent", **environment}
        test = subprocess.Popen([*LIMITS, *command], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        tail, size, end = b"", 0, time.monotonic() + seconds
        try:
            while True:
                if self.stop.is_set():
                    raise Stopped
                if time.monotonic() > end:
                    return "hangs"
                if not select.select([test.stdout], [], [], .2)[0]:
                    continue
                chunk = os.read(test.stdout.fileno(), 1 << 16)
                tail, size = (tail + chunk)[-(1 << 16):], size + len(chunk)
                failed = re.search(rb"^not ok \d+ - [^:\n]*:[^:\n]*:(\w+)|^FAILED (\S+)", tail, re.M)
                if failed:
                    return (failed.group(1) or failed.group(2)).decode()
                if size > 1 << 24:
                    return "floods its output"
                if not chunk:
                    status = test.wait(max(.1, end - time.monotonic()))
                    return f"ends with {status}" if status else None
        except subprocess.TimeoutExpired:
            return "hangs"
        finally:
            end_session(test.pid)
            test.stdout.close()
            test.wait()

    def find_killers(self, configs):
        """Each suite and each scenario: how long it takes, and which lines it reaches."""
        for config in configs:
            self.make(*(f"build/{program}.cov-{config}" for program in self.programs))
            wanted = [(program, config, []) for program in self.suites]
            if "simulate" in self.programs:
                listed = self.run([str(self.base / f"build/simulate.{config}"), "--list"]).stdout
                wanted += [("simulate", config, [line.split()[0]]) for line in listed.split("\n") if line]
            self.each(self.find_killer, wanted)

    def find_killer(self, what):
        program, config, arguments = what
        name, made = "-".join([program, config, *arguments]), self.made[f"build/{program}.{config}"]
        kept, folder = PLACE / f"reached/{name}.json", PLACE / f"reached/{name}"
        killer = json.loads(kept.read_text()) if kept.is_file() else {}
        if killer.get("made") != made:
            begun = time.monotonic()
            wrong = self.meet([str(self.base / f"build/{program}.{config}"), *arguments], 600)
            if wrong:
                raise Broken(f"the unchanged port does not pass {' '.join([f'{program}.{config}', *arguments])}: {wrong}")
            killer = {"made": made, "program": program, "config": config, "arguments": arguments, "chapter": self.suites.get(program),
                      "seconds": round(time.monotonic() - begun, 2)}
            shutil.rmtree(folder, ignore_errors=True)
            self.meet([str(ROOT / f"build/{program}.cov-{config}"), *arguments], 600, GCOV_PREFIX=str(folder), CK_TIMEOUT_MULTIPLIER="10")
            killer["lines"] = self.lines_reached(folder)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(killer))
            shutil.rmtree(folder, ignore_errors=True)
        self.killers.append(killer)

    def lines_reached(self, folder):
        """{file of the port: lines}, from the counters that a covered program left below the folder."""
        counts, lines = [str(p) for p in folder.rglob("*.gcda")], {}
        for count in map(pathlib.Path, counts):
            shutil.copy(("/" / count.relative_to(folder)).with_suffix(".gcno"), count.with_suffix(".gcno"))
        for line in self.run(["gcov", "--json-format", "--stdout", *counts]).stdout.split("\n") if counts else ():
            for file in json.loads(line)["files"] if line.startswith("{") else ():
                reached = {entry["line_number"] for entry in file["lines"] if entry["count"]}
                if file["file"].startswith("tangle/") and reached:
                    name = file["file"].removeprefix("tangle/")
                    lines[name] = sorted(reached | set(lines.get(name, ())))
        return lines

    def orders_differ(self, file, text):
        """Whether make refs would refuse the memory orders of this text."""
        if file == orders.HEADER:
            return list(orders.header(text))
        used, lone = orders.uses(text, orders.ATOMIC, orders.of_the_port)
        before = orders.uses((ROOT / "tangle" / file).read_text(encoding="utf-8"), orders.ATOMIC, orders.of_the_port)[1]
        return len(lone) > len(before) or [why for _, _, operation, order, tags in used for why in orders.differs(self.ledgers, operation, order, tags)]

    def try_mutant(self, mutant, place):
        """(outcome, by): killed, survived, same (the machine code is the port's) or broken (it does not compile)."""
        shutil.rmtree(place, ignore_errors=True)
        path = place / "tangle" / mutant.file
        path.parent.mkdir(parents=True)
        text = (ROOT / "tangle" / mutant.file).read_text(encoding="utf-8")
        path.write_text(text[:mutant.start] + mutant.new + text[mutant.end:], encoding="utf-8")
        if mutant.kind == "order":
            return ("killed", "the ledgers of memory orders") if self.orders_differ(mutant.file, path.read_text(encoding="utf-8")) else ("survived", "")
        reach = [k for k in self.killers if mutant.lines & set(k["lines"].get(mutant.file, ()))]
        if not reach:       # a macro, an enum: gcov does not know who comes by
            reach = [k for k in self.killers if not k["arguments"]]
        meets = reach + [k for k in self.killers if k["chapter"] == mutant.chapter and k not in reach]
        changed, other, linked = {}, {}, set()
        for killer in sorted(meets, key=lambda k: (k["chapter"] != mutant.chapter, k["seconds"])):
            program = f"build/{killer['program']}.{killer['config']}"
            concerned = [w for w in self.commands[program] if w.endswith(".o") and mutant.file in self.needs[w]]
            for target in concerned:
                if target not in changed:
                    changed[target] = place / target
                    if not self.compile(target, changed[target], place):
                        return "broken", ""
                    other[target] = changed[target].read_bytes() != (self.base / target).read_bytes()
            if not any(other[target] for target in concerned):
                continue
            if program not in linked:
                self.link(program, place, changed)
                linked.add(program)
            wrong = self.meet([str(place / program), *killer["arguments"]], 10 + 6 * killer["seconds"])
            if wrong:
                return "killed", f"{killer['program']}.{killer['config']}: {' '.join([*killer['arguments'], wrong])}"
        return ("survived", "") if linked else ("same", "")


def report(mutants, results):
    """What survived, and the rates. `results`: {name: outcome}."""
    counts = {}
    for mutant in mutants:
        outcome = "argued" if mutant.argued else results.get(mutant.name())
        counts.setdefault(mutant.chapter, []).append(outcome)
        if outcome == "survived":
            print(f"{mutant.at}: {mutant.file}, {mutant.function}: survived ({mutant.kind})\n    - {mutant.text}\n    + {mutant.becomes}")
    print(f"\n{'chapter':>8} {'mutants':>8} {'killed':>8} {'survived':>8} {'argued':>8} {'same':>8} {'broken':>8} {'rate':>8}")
    for chapter, outcomes in [*sorted(counts.items()), ("all", sum(counts.values(), []))]:
        tried = [o for o in outcomes if o]
        n = [tried.count(o) for o in ("killed", "survived", "argued", "same", "broken")]
        print(f"{chapter:>8} {len(tried):>8} " + " ".join(f"{k:>8}" for k in n) + (f"{100 * n[0] / (n[0] + n[1]):>8.1f} %" if n[0] + n[1] else ""))
    left = sum(o is None for outcomes in counts.values() for o in outcomes)
    if left:
        print(f"{left} were not tried: the same command goes on with them")


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--sample", type=int, metavar="N", help="N mutants, drawn by the seed")
    arg.add_argument("--seed", default="1", help="which sample (1)")
    arg.add_argument("--chapter", type=int, metavar="NN", help="only mutants of this chapter's lines")
    arg.add_argument("--only", metavar="WORDS", help="only mutants whose name (file: function: line -> line) matches this regular expression")
    arg.add_argument("--again", action="store_true", help="only those that survived when they were tried last, whatever changed since")
    arg.add_argument("--list", action="store_true", help="list the mutants, do not try them")
    arg.add_argument("--jobs", "-j", type=int, default=os.cpu_count(), metavar="N", help="how many at a time (one for each processor)")
    arg.add_argument("--policy", choices=("ours", "upstream"), default="ours")
    arg.add_argument("--cc", default=os.environ.get("CC", "cc"))
    opt = arg.parse_args()
    bench = Bench(opt)
    mutants = every_mutant(bench.book)
    argue(mutants)
    sources = sorted(p for pattern in ("tangle/*/*.[ch]", "tangle/*/*/*.[ch]", "tests/*.[ch]", "Makefile", "tests/*.mk") for p in ROOT.glob(pattern))
    opt.digest = digest(opt.cc, opt.policy, *(p.read_text(encoding="utf-8") for p in sources))
    PLACE.mkdir(parents=True, exist_ok=True)
    kept = PLACE / f"results{bench.suffix}.jsonl"
    records = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()] if kept.is_file() else []
    last = {r["name"]: r["outcome"] for r in records}
    if opt.chapter is not None:
        mutants = [m for m in mutants if m.chapter == opt.chapter]
    if opt.only:
        mutants = [m for m in mutants if re.search(opt.only, m.name())]
    if opt.again:
        mutants = [m for m in mutants if last.get(m.name()) == "survived"]
    if opt.sample is not None:
        chosen = set(random.Random(opt.seed).sample(range(len(mutants)), min(opt.sample, len(mutants))))
        mutants = [m for k, m in enumerate(mutants) if k in chosen]
    if opt.list:
        print("\n".join(f"{m.at}: {m.kind}: {m.name()}" for m in mutants))
        return 0
    results = {r["name"]: r["outcome"] for r in records if r["digest"] == opt.digest}
    todo = [m for m in mutants if m.name() not in results and not m.argued]
    random.Random(opt.seed).shuffle(todo)           # an interrupted run has seen something of everything

    def interrupt(*_):
        bench.stop.set()
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        configs = ["gil" + bench.suffix, "ft" + bench.suffix]
        print(f"mutants, POLICY={opt.policy}: {len(mutants)} chosen, {len(todo)} to try; building the port, measuring what its tests reach", flush=True)
        if {m.kind for m in todo} - {"order"}:
            bench.build(configs)
            bench.find_killers(configs)
        work(bench, todo, results, kept)
    except Stopped:
        pass
    report(mutants, results)
    return 130 if bench.stop.is_set() else 1 if "survived" in [results.get(m.name()) for m in mutants if not m.argued] else 0


def work(bench, todo, results, kept):
    """Try them all, as many at a time as was asked for; each result is kept at once."""
    places, counts, told = queue.Queue(), dict.fromkeys(("killed", "survived", "same", "broken"), 0), [time.monotonic()]
    for k in range(bench.opt.jobs):
        places.put(PLACE / f"worker-{k}")
    lock = threading.Lock()

    def one(mutant):
        place, begun = places.get(), time.monotonic()
        try:
            outcome, by = bench.try_mutant(mutant, place)
        finally:
            places.put(place)
        with lock, kept.open("a", encoding="utf-8") as file:
            took = round(time.monotonic() - begun, 1)
            file.write(json.dumps({"name": mutant.name(), "digest": bench.opt.digest, "outcome": outcome, "by": by, "seconds": took}) + "\n")
            results[mutant.name()] = outcome
            counts[outcome] += 1
            if outcome == "survived":
                print(f"{mutant.at}: survived: {mutant.text}  ->  {mutant.becomes}", flush=True)
            if time.monotonic() > told[0] + 10 or sum(counts.values()) == len(todo):
                told[0] = time.monotonic()
                print(f"{sum(counts.values())} of {len(todo)}: " + ", ".join(f"{n} {o}" for o, n in counts.items()), flush=True)
    bench.each(one, todo)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as error:
        sys.exit(f"mutants: {error}")
    except chapters.Trap as trap:
        sys.exit("\n".join(f"{path}:{line}: {message}" for path, line, message in trap.findings))
