#!/usr/bin/env python3
"""Run the Check suites that were built, show their output, and keep the result of each test for the book.

  run.py CONFIG …                 every suite in these build configurations
  run.py --chapter 03 CONFIG …    the suites of one chapter

After a run of all chapters every claim must have been tested in every configuration. The results go to
build/results/results.json, from which the woven book takes the mark beside each claim.
"""
import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book"))
import chapters  # noqa: E402

RESULTS = ROOT / "build/results"
CHECK = "{http://check.sourceforge.net/ns}"
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


def suites_of(book, number):
    """The test programs of the book, or of one chapter."""
    programs = [pathlib.Path(name).stem for name in book.roots if name.startswith("tests/check_") and name.endswith(".c")
                and (number is None or book.chunks[name][0].chapter.number == number)]
    if not programs:
        sys.exit(f"run: chapter {number} has no tests" if number is not None else "run: no chapter has tests")
    return programs


def run(program, config, quiet):
    """One suite; returns {test: outcome} and a line for each thing that went wrong."""
    binary = ROOT / "build" / f"{program}.{config}"
    if not binary.is_file():
        sys.exit(f"run: {binary.relative_to(ROOT)} is not built: make test builds it")
    report = RESULTS / f"{program}.{config}.xml"
    report.unlink(missing_ok=True)
    slow = config.startswith(("asan", "tsan", "cov"))
    environment = dict(ENVIRONMENT, CK_TIMEOUT_MULTIPLIER="10" if slow else "1", **os.environ, CK_XML_LOG_FILE_NAME=str(report))
    done = subprocess.run([binary], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode or not quiet:
        print(done.stdout, end="", flush=True)
    tests, wrong = {}, []
    try:
        for test in xml.etree.ElementTree.parse(report).iter(f"{CHECK}test"):
            name, result = test.findtext(f"{CHECK}id"), test.get("result")
            tests[name] = result if tests.get(name, "success") == "success" else tests[name]    # a loop test: its worst run
            if result != "success":
                where, why = (test.findtext(f"{CHECK}{field}") for field in ("fn", "message"))
                wrong.append(f"{test.findtext(f'{CHECK}path')}/{where}: {name} ({program}, {config}): {why}")
    except (OSError, xml.etree.ElementTree.ParseError):
        return {}, [f"{program} ({config}) left no report: it ended before its suite did, with status {done.returncode}"]
    if not wrong and (done.returncode or not tests):
        wrong.append(f"{program} ({config}): " + (f"its tests passed, but it ended with status {done.returncode}" if tests else "it has no tests"))
    return tests, wrong


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("configs", nargs="+", metavar="CONFIG")
    arg.add_argument("--chapter", type=int, metavar="NN", help="only the suites of this chapter")
    arg.add_argument("--quiet", action="store_true", help="show the output of a failing suite only")
    arg.add_argument("--apart", action="store_true", help="do not keep the results for the book")
    opt = arg.parse_args()
    book = chapters.load()
    RESULTS.mkdir(parents=True, exist_ok=True)
    programs = suites_of(book, opt.chapter)
    kept = chapters.last_results().get("configs", {})
    wrong, missing = [], []
    for config in opt.configs:
        results = {}
        for program in programs:
            print(f"-- {program}, {config}", flush=True)
            tests, went_wrong = run(program, config, opt.quiet)
            results.update(tests)
            wrong += went_wrong
        kept[config] = {**kept.get(config, {}), **results} if opt.chapter is not None else results
        for claim in book.claims.values():
            if opt.chapter in (None, claim.chapter.number):
                missing += [f"{claim.chapter.path}:{claim.line}: claim {claim.number}: {test} did not run ({config})"
                            for test in claim.tests if test not in results and test not in book.scripted]
    if not opt.apart:
        at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        (RESULTS / "results.json").write_text(json.dumps({"at": at, "configs": kept}, indent=1), encoding="utf-8")
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
