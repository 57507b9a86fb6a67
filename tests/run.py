#!/usr/bin/env python3
"""Run the Check suites that were built, on all cores; show their output in order, and keep the result of each test for the book.

  run.py CONFIG …                 every suite in these build configurations
  run.py --chapter 03 CONFIG …    the suites of one chapter
  run.py --claim 3.7 CONFIG …     the tests of one claim, by its number or its name

After a run of all chapters every claim must have been tested in every configuration. The results go to
build/results/results.json, each with a fingerprint of the code that it was had from; from there the woven
book takes the mark beside each claim.
"""
import argparse
import concurrent.futures
import contextlib
import datetime
import difflib
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book"))
import chapters  # noqa: E402

RESULTS = ROOT / "build/results"
CHECK = "{http://check.sourceforge.net/ns}"
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}
HEEDED = ("CK_VERBOSITY", "CK_DEFAULT_TIMEOUT")     # of Check's own variables; others would leave tests out, or write elsewhere


def environment(program, config, report, tests):
    """The suite's environment: the caller's, less what would change which tests run."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("CK_") or name in HEEDED}
    for name, options in SANITIZERS.items():
        variables[name] = ":".join(filter(None, [options, variables.get(name)]))
    if program == "check_simulation":       # a thread of it that is left behind never returns, and ASan would keep its frames for ever
        variables["ASAN_OPTIONS"] += ":detect_stack_use_after_return=0"
    try:
        patience = max(1.0, float(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1")))
    except ValueError:
        sys.exit(f"run: CK_TIMEOUT_MULTIPLIER is {os.environ['CK_TIMEOUT_MULTIPLIER']}, not a number: unset it, or set it to 2, say")
    slow = config.startswith(("asan", "tsan", "cov"))
    variables |= {"CK_TIMEOUT_MULTIPLIER": str(patience * (10 if slow else 1)), "CK_XML_LOG_FILE_NAME": str(report)}
    return variables | ({"GF_TESTS": " ".join(tests)} if tests else {})


class Runner:
    """Runs suites, several at once; an interrupt ends them all."""

    def __init__(self, tests):
        self.tests = tests      # those that are to be run; none: all
        self.running = set()
        self.over = False

    def run(self, program, config):
        """One suite; returns its output, {test: outcome} and a line for each thing that went wrong."""
        binary = ROOT / "build" / f"{program}.{config}"
        if not binary.is_file():
            return "", {}, [f"{binary.relative_to(ROOT)} is not built: make test builds it"]
        with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
            report = pathlib.Path(folder, "report.xml")
            with open(pathlib.Path(folder, "output"), "w+", encoding="utf-8", errors="replace") as output:
                if self.over:
                    return "", {}, []
                suite = subprocess.Popen([binary], cwd=ROOT, env=environment(program, config, report, self.tests), stdin=subprocess.DEVNULL,
                                         stdout=output, stderr=subprocess.STDOUT)
                self.running.add(suite)
                status = suite.wait()
                self.running.discard(suite)
                output.seek(0)
                said = output.read()
            try:
                tests, wrong = outcomes(report, f"{program}, {config}")
            except (OSError, xml.etree.ElementTree.ParseError):
                return said, {}, [f"{program} ({config}) left no report: it ended before its suite did, with status {status}"]
        if not wrong and (status or not tests):
            wrong.append(f"{program} ({config}): " + (f"its tests passed, but it ended with status {status}" if tests else "it has no tests"))
        return said, tests, wrong

    def end(self):
        self.over = True
        for suite in list(self.running):
            with contextlib.suppress(OSError):
                suite.terminate()


def outcomes(report, where):
    """What Check wrote of each test, and a line for each that did not pass."""
    tests, wrong = {}, []
    for test in xml.etree.ElementTree.parse(report).iter(f"{CHECK}test"):
        name, result = test.findtext(f"{CHECK}id"), test.get("result")
        tests[name] = result if tests.get(name, "success") == "success" else tests[name]    # a loop test: its worst run
        if result != "success":
            place, why = (test.findtext(f"{CHECK}{field}") for field in ("fn", "message"))
            wrong.append(f"{test.findtext(f'{CHECK}path')}/{place}: {name} ({where}): {why}")
    return tests, wrong


def chosen(book, opt):
    """The claims that are to be tested, and the programs that do it."""
    claims = [c for c in book.claims.values() if opt.chapter in (None, c.chapter.number) and opt.claim in (None, c.number, c.name)]
    programs = sorted({program for c in claims for test in c.tests for program in book.programs_of.get(test, ())})
    if opt.claim and not programs:
        chapter = [c for c in book.claims.values() if c.number.partition(".")[0] == opt.claim.partition(".")[0]]
        near = difflib.get_close_matches(opt.claim, book.claims, 3, 0.5) or [f"{c.number} {c.name}" for c in chapter]
        sys.exit(f"run: no suite tests a claim {opt.claim}" + (f"; there is {', '.join(near)}" if near else ""))
    if not programs:
        sys.exit(f"run: chapter {opt.chapter} has no tests" if opt.chapter is not None else "run: no chapter has tests")
    return claims, programs


def keep(book, made, only_some):
    """Write the results beside those of other runs; of the same configuration, over them."""
    at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    with open(RESULTS / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)        # another run may be writing its own
        last = chapters.last_results()
        kept, of = last.get("configs", {}), last.get("of", {})
        for config, tests in made.items():
            kept[config] = {**(kept.get(config, {}) if only_some else {}), **{test: outcome for test, (outcome, _) in tests.items()}}
            of[config] = {**(of.get(config, {}) if only_some else {}), **{test: code for test, (_, code) in tests.items()}}
        new = RESULTS / "results.json.new"
        new.write_text(json.dumps({"at": at, "configs": kept, "of": of}, indent=1), encoding="utf-8")
        os.replace(new, RESULTS / "results.json")


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("configs", nargs="*", metavar="CONFIG")
    arg.add_argument("--chapter", type=int, metavar="NN", help="only the suites of this chapter")
    arg.add_argument("--claim", metavar="N.M", help="only the tests of this claim: its number, or its name")
    arg.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="suites at once (as many as there are cores)")
    arg.add_argument("--quiet", action="store_true", help="show the output of a failing suite only")
    arg.add_argument("--apart", action="store_true", help="do not keep the results for the book")
    opt = arg.parse_args()
    book = chapters.load()
    RESULTS.mkdir(parents=True, exist_ok=True)
    claims, programs = chosen(book, opt)
    if not opt.configs:         # nothing to run: which suites would it be?
        print(" ".join(programs))
        return 0
    code = {program: chapters.code_of(program) for program in programs}
    made, wrong, missing, silent = {config: {} for config in opt.configs}, [], [], set()
    only = [test for claim in claims for test in claim.tests] if opt.claim or opt.chapter is not None else []
    runner = Runner(only)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with concurrent.futures.ThreadPoolExecutor(max(1, opt.jobs)) as pool:
        try:
            jobs = [(program, config, pool.submit(runner.run, program, config)) for config in opt.configs for program in programs]
            for program, config, job in jobs:
                print(f"-- {program}, {config}", flush=True)
                said, tests, went_wrong = job.result()
                if went_wrong or not opt.quiet:
                    print(said, end="", flush=True)
                made[config].update({test: (outcome, code[program]) for test, outcome in tests.items()})
                wrong += went_wrong
                if not tests:
                    silent.add((program, config))       # told already; not once more for each of its tests
        except KeyboardInterrupt:
            runner.end()
            raise
    for config, results in made.items():
        missing += [f"{claim.chapter.path}:{claim.line}: claim {claim.number}, {claim.name}: {test} did not run ({config})"
                    for claim in claims for test in claim.tests if test not in results and test not in book.scripted
                    and not any((program, config) in silent for program in book.programs_of[test])]
    if not opt.apart:
        keep(book, made, bool(only))
    for line in missing:
        print(line, file=sys.stderr)
    for line in wrong:    # once more, where a long run's reader looks: at its end
        print(f"run: {line}", file=sys.stderr)
    if wrong or missing:
        print(f"run: {'a suite failed' if wrong else 'claims were not tested'}", file=sys.stderr)
    return 1 if wrong or missing else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("run: interrupted; the results of the last whole run are kept")
    except chapters.Trap as trap:
        sys.exit("\n".join(f"{path}:{line}: {message}" for path, line, message in trap.findings))
