#!/usr/bin/env python3
"""The graft: CPython 3.14 with the port's object files in place of its own six.

  graft.py build          a root with CPython 3.14, the port compiled in it, eight interpreters linked: everything grafted
                          (build/graft/python), nothing (the baseline), and each object alone
  graft.py test [--all]   compare the objects' symbols, see that ours run, run CPython's tests on baseline and graft, put bugs in
  graft.py bench          the two side by side, in turns

Reports go to build/reports/, from where the book takes them.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent / "book")]
import build  # noqa: E402
import machine  # noqa: E402
import museum  # noqa: E402
import packages  # noqa: E402
import regress  # noqa: E402
import report  # noqa: E402
from packages import BUILD, ROOT, say  # noqa: E402

RUN = BUILD / "run.json"


def interpreter(variant):
    return BUILD / "bin" / f"python-{variant}"


# ---- what runs in the process

def ask(variant, script, *arguments):
    """What one of the scripts beside this one prints in an interpreter."""
    status, out = regress.python(interpreter(variant), HERE / script, *arguments)
    if status != 0:
        raise build.Broken(f"{script} fails in python-{variant}:\n{out[-2000:]}")
    return json.loads(out)


def look_inside(made, builder):
    """Marks, layouts and addresses as the running graft has them; of each object the functions that lie elsewhere.

    Names that CPython hides from extension modules are hidden from ctypes too. The program is linked to a fixed address, so
    of those the linker's is taken.
    """
    excused = {name: set(row["exports only of CPython's"]) | {"PY_TIMEOUT_MAX"} for name, row in made["symbols"].items()}
    names = {name: sorted(builder.symbols(builder.work / "members" / name)[0] - excused[name]) for name in build.OBJECTS}
    seen = ask("graft", "inside.py", *sum(names.values(), []))
    seen["elsewhere"] = {name: [f for f in functions if not any(a <= (seen["addresses"][f] or made["addresses"].get(f, 0)) < b for a, b in made["ranges"][name])]
                         for name, functions in names.items()}
    seen["baseline marks"] = ask("baseline", "inside.py")["marks"]
    return seen


# ---- CPython's tests

def c_tests(pool):
    """{variant: {test: outcome}}, and why some failed: every C test on baseline and graft, those of the primitives on all variants."""
    names = regress.c_tests(interpreter("baseline"))
    jobs = [(variant, name) for name in names for variant in build.VARIANTS
            if variant in ("baseline", "graft") or name.startswith(("test_lock", "test_critical", "test_threadstate", "test_tstate"))]
    table, reasons = {variant: {} for variant in build.VARIANTS}, []

    def one(job):
        variant, name = job
        cases, reason = regress.run_c_test(interpreter(variant), name)
        return variant, cases, f"{variant}: {name}: {reason}" if reason else ""
    for variant, cases, reason in pool.map(one, jobs):
        table[variant].update(cases)
        reasons += [reason] if reason else []
    return table, reasons


def python_tests(pool, names):
    """Each file on baseline and graft, in turns; what differs is asked again, alone, when all are through."""
    files, missing = regress.expand(interpreter("baseline"), names)
    done, rows = 0, {}

    def one(job):
        number, name = job
        sides = ["baseline", "graft"] if number % 2 else ["graft", "baseline"]
        start = time.monotonic()
        results = {side: regress.run_file(interpreter(side), name) for side in sides}
        return name, results, time.monotonic() - start
    for name, results, seconds in pool.map(one, enumerate(files)):
        done += 1
        base, other = results["baseline"][0], results["graft"][0]
        differing = regress.worse(base, other)
        rows[name] = {"baseline": base, "graft": other, "why": results["graft"][1], "differing": differing, "seconds": round(seconds, 1)}
        run, _, skipped, failed = regress.counts(base)
        same = "the same grafted" if not differing else f"{len(differing)} differ grafted"
        say(f"[{done}/{len(files)}] {name}: {run} run, {skipped} skipped, {failed} failed; {same}; {seconds:.0f} s")
    for name, row in rows.items():
        row["lasting"], row["passing"], row["unsteady"] = {}, [], []
        if row["differing"]:
            say(f"{name}: {', '.join(row['differing'])}: once more, alone")
            row["lasting"], row["passing"], row["unsteady"] = regress.again(
                lambda: regress.run_file(interpreter("baseline"), name), lambda: regress.run_file(interpreter("graft"), name), row["differing"])
    return rows, missing


# ---- what a lock promises in time

# Of each program of promises.py: what it is called, how it is shown, and what the graft is to keep of the baseline's figure.
PROMISES = {"in time": ("a time limit of 10 ms, the lock held for 2 ms again and again: share in time", "{:.0%}", lambda base, graft: graft >= 0.95 * base),
            "wait": ("one thread beside a `with lock:` loop of 2 ms: its wait", "{:.2f} ms", lambda base, graft: graft <= 1.25 * base),
            "poller": ("an attached thread that polls under a `PyMutex`: until a waiter has it", "{:.2f} ms", lambda base, graft: graft <= 1.25 * base),
            "priority": ("one processor, the waiter of `SCHED_IDLE`: until it has the lock", "{:.2f} ms", lambda base, graft: graft <= 1.25 * base)}


def promises(rounds=5, again=2):
    """{program: medians of both sides, whether the graft keeps the baseline's}: in turns; as many rounds more, twice, while one is not kept."""
    figures = {side: [] for side in ("baseline", "graft")}
    for _ in range(1 + again):
        for number in range(rounds):
            for side in sorted(figures, reverse=number % 2):
                figures[side].append(ask(side, "promises.py"))
        rows = {name: {side: statistics.median(answer[name] for answer in answers) for side, answers in figures.items()} for name in PROMISES}
        for name, row in rows.items():
            what, form, keeps = PROMISES[name]
            row |= {"what": what, "form": form, "rounds": len(figures["graft"]), "kept": keeps(row["baseline"], row["graft"])}
        if all(row["kept"] for row in rows.values()):
            break
    for row in rows.values():
        say(f"{row['what']}: {row['form'].format(row['baseline'])}, grafted {row['form'].format(row['graft'])}" + ("" if row["kept"] else ": NOT kept"))
    return rows


# ---- bugs put in on purpose

def seeded(builder, made):
    """Each seeded bug in a copy of the port: the check that must notice, and whether it did."""
    rows = []
    for bug in museum.exhibits(ROOT / "tangle/graft/seeded.bugs"):
        name = next(o for o, source in build.OBJECTS.items() if bug.file in (source, source.replace(".c", "_pthread.h")))
        tree = builder.work / f"seeded/{bug.bug}"
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(builder.work / "src", tree)
        (tree / bug.file).write_text(museum.apply(bug, (ROOT / "tangle" / bug.file).read_text(encoding="utf-8")), encoding="utf-8")
        port = f"seeded/{bug.bug}.o"
        builder.compile_port(name, f"{port}/{name}", f"seeded/{bug.bug}")
        place = builder.link(f"seeded-{bug.bug}", list(build.OBJECTS), port)
        if bug.scenario == "symbols":
            found = build.unexplained(builder.compare_symbols(port))
        elif bug.scenario.startswith("test_lock"):
            base = made["c_tests"]["baseline"]
            cases, reason = regress.run_c_test(place, bug.scenario, timeout=20)
            found = [f"{case}: {reason}" for case in regress.worse({bug.scenario: base[bug.scenario]}, cases)]
        else:
            base, _ = regress.run_file(interpreter("baseline"), bug.scenario)
            cases, reason = regress.run_file(place, bug.scenario, timeout=60)
            found = [f"{case}: {outcome}" for case, outcome in regress.worse(base, cases).items()]
        place.unlink()
        rows.append({"bug": bug.bug, "what": bug.what, "object": name, "test": bug.scenario, "found": found})
        say(f"seeded {bug.bug}: " + (f"{bug.scenario} notices: {found[0]}" if found else f"NOT noticed by {bug.scenario}"))
    return rows


# ---- the commands

def make():
    builder = build.Build(packages.find(os.environ.get("SUITE")))
    made = builder.make()
    status, out = regress.python(interpreter("graft"), "-c", "import sys; print(sys.version.split()[0])")
    if status != 0:
        raise build.Broken(f"the graft does not start:\n{out[-2000:]}")
    say(f"build/graft/python is CPython {out.strip()} with {len(build.OBJECTS)} objects of the port")
    return builder, made


def test(everything):
    builder, made = make()
    start = time.monotonic()
    run = {"setting": report.setting(made, builder.root), "everything": everything, "unexplained": build.unexplained(made["symbols"], made["visible"]),
           **{key: made[key] for key in ("symbols", "members", "marks", "ours")}, "inside": look_inside(made, builder),
           "adapter": {side: ask(side, "observe.py") for side in ("baseline", "graft")}}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        say("CPython's C tests, on every variant")
        run["c_tests"], run["c_reasons"] = c_tests(pool)
        run["files"], run["missing"] = python_tests(pool, regress.ALL if everything else regress.FIRST)
    say("what a lock promises in time, on both in turns")
    run["promises"] = promises()
    run["seeded"] = seeded(builder, run)
    run["seconds"] = round(time.monotonic() - start)
    machine.write(RUN, json.dumps(run, indent=1))
    report.write(run)
    return report.claims(run)


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = arg.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="prepare the root, compile, link")
    commands.add_parser("test", help="and test").add_argument("--all", action="store_true", help="the whole list of CPython's tests")
    commands.add_parser("bench", help="and measure")
    opt = arg.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    if opt.command == "build":
        make()
        return 0
    if opt.command == "bench":
        import bench
        return bench.main(*make())
    return test(opt.all)


if __name__ == "__main__":
    try:
        machine.command("graft", main, "what was whole is kept")
    except (build.Broken, packages.Unavailable) as error:
        sys.exit(f"graft: {error}")
    finally:
        regress.running.end_all()
