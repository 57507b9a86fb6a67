"""CPython's own tests on one interpreter, and the outcomes of two compared.

A case is one test function as CPython's test runner names it; WHOLE stands for what a file as a whole did, when it was
skipped, crashed, ended badly or took too long.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import xml.etree.ElementTree

from packages import BUILD

WHOLE = "(the whole file)"
PASSED, SKIPPED, FAILED = "passed", "skipped", "failed"
WORST = {PASSED: 0, SKIPPED: 1, FAILED: 2}

# What CI runs, and what ALL=1 adds. A folder of tests stands for all its files.
FIRST = ["test_thread", "test_threading", "test_threading_local", "test_threadsignals", "test_fork1", "test_hash", "test_queue",
         "test__interpchannels", "test_asyncio.test_locks", "test_concurrent_futures.test_thread_pool", "test_compile"]
ALL = ["test_thread", "test_threading", "test_threading_local", "test_threadsignals", "test_threadedtempfile", "test_fork1", "test_hash",
       "test_dict", "test_set", "test_random", "test_os", "test_cmd_line", "test_compile", "test_ast", "test_syntax", "test_exceptions",
       "test_sys", "test_queue", "test_concurrent_futures", "test_asyncio", "test_multiprocessing_fork", "test_importlib",
       "test_threaded_import", "test__interpchannels", "test__interpreters", "test_interpreters", "test_capi", "test_signal",
       "test_faulthandler", "test_io", "test_zlib", "test_bz2", "test_lzma", "test_tracemalloc"]


class Running:
    """Processes that must not outlive this one, each with its own group."""

    def __init__(self):
        self.lock, self.live, self.over = threading.Lock(), set(), False

    def run(self, command, timeout, **more):
        """(exit status or None when it took too long, output)."""
        with self.lock:
            if self.over:
                raise KeyboardInterrupt
            process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True, errors="replace", **more)
            self.live.add(process)
        try:
            out, _ = process.communicate(timeout=timeout)
            status = process.returncode
        except subprocess.TimeoutExpired:
            self.end(process)
            out, status = process.communicate()[0], None
        finally:
            self.end(process)       # what it started and left behind
            with self.lock:
                self.live.discard(process)
        return status, out

    @staticmethod
    def end(process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def end_all(self):
        with self.lock:
            self.over = True
            for process in self.live:
                self.end(process)


running = Running()


def environment(home):
    """No PYTHON… variable of the caller's, a home and a temporary folder of its own."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "TERM", "USER", "LOGNAME", "SHELL")}
    return {**kept, "HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}


def python(interpreter, *arguments, timeout=60, **variables):
    """The interpreter in a folder of its own: (status, output)."""
    with scratch() as home:
        return running.run([interpreter, *arguments], timeout, cwd=home, env={**environment(home), **variables})


def scratch():
    (BUILD / "tmp").mkdir(parents=True, exist_ok=True)
    return Scratch(dir=BUILD / "tmp")


class Scratch:
    """A temporary folder that goes whatever was left in it."""

    def __init__(self, dir):
        self.path = pathlib.Path(tempfile.mkdtemp(dir=dir))

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def c_tests(interpreter):
    """Names of the C tests that the interpreter's _testinternalcapi carries."""
    status, out = python(interpreter, "-c", "import json, _testinternalcapi as t; print(json.dumps([n for n in dir(t) if n.startswith('test_')]))")
    if status != 0:
        raise RuntimeError(f"{interpreter.name} cannot import _testinternalcapi:\n{out[-1000:]}")
    return json.loads(out)


def run_c_test(interpreter, name, timeout=120):
    status, out = python(interpreter, "-X", "faulthandler", "-c", f"import _testinternalcapi as t; t.{name}()", timeout=timeout)
    return {name: PASSED if status == 0 else FAILED}, "" if status == 0 else why(status, out, timeout)


def why(status, out, timeout):
    said = re.search(r"^\S*(?:Error|Exception|Fatal).*|Assertion .*", out, re.MULTILINE)
    last = (said.group() if said else out.strip()[-200:]).strip()
    return (f"took longer than {timeout} s" if status is None else f"exit {status}") + (f": {last}" if last else "")


def run_file(interpreter, name, timeout=600):
    """(cases, what went wrong) of one file of CPython's tests."""
    with scratch() as home:
        report = home / "report.xml"
        status, out = running.run([interpreter, "-m", "test", "--timeout", str(timeout), "--junit-xml", report, name], timeout + 60,
                                  cwd=home, env=environment(home))
        return read(report, status, out, timeout)


def read(report, status, out, timeout):
    """Cases out of the runner's report; its exit status counts where the report does not say the same."""
    cases = {}
    try:
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            name, outcome = case.get("name"), outcome_of(case)
            if WORST[outcome] >= WORST[cases.get(name, PASSED)]:
                cases[name] = outcome
    except (OSError, xml.etree.ElementTree.ParseError):
        if status == 0:             # a file that is skipped whole leaves no report
            skipped = "Result: SUCCESS" in out and re.search(r"^1 test skipped:", out, re.MULTILINE)
            return {WHOLE: SKIPPED if skipped else FAILED}, "" if skipped else "left no report"
    failed = [name for name, outcome in cases.items() if outcome == FAILED]
    if status != 0 and not failed:
        cases[WHOLE] = FAILED
    elif not cases:
        cases[WHOLE] = SKIPPED
    return cases, "" if status == 0 else why(status, out, timeout)


def outcome_of(case):
    if case.find("error") is not None or case.find("failure") is not None or case.find("outcome") is not None:
        return FAILED               # outcome: it was expected to fail and did not
    return SKIPPED if case.find("skipped") is not None else PASSED


def worse(base, other):
    """What passes on the baseline and does not on the other: {case: what it did there}. Running no more is worse, too."""
    return {case: other.get(case, "not run") for case, outcome in base.items() if outcome == PASSED and other.get(case) != PASSED}


def counts(cases):
    """run, passed, skipped, failed."""
    outcomes = list(cases.values())
    return len(outcomes), outcomes.count(PASSED), outcomes.count(SKIPPED), outcomes.count(FAILED)


def again(run_base, run_other, differing):
    """What becomes of cases that differed at first: (lasting, passing, unsteady).

    A case that passes when it is repeated is passing. One that fails twice, while the baseline fails in one of two more
    runs, is unsteady on both sides. The rest lasts: that is what must not be.
    """
    other, _ = run_other()
    lasting = {case: other.get(case, "not run") for case in differing if other.get(case) != PASSED}
    passing = sorted(set(differing) - set(lasting))
    unsteady = []
    for _ in range(2 if lasting else 0):
        base, _ = run_base()
        unsteady += [case for case in lasting if base.get(case) != PASSED]
        lasting = {case: outcome for case, outcome in lasting.items() if case not in unsteady}
    return lasting, passing, unsteady


def expand(interpreter, names):
    """Files that the package carries, folders taken apart as the runner does it; and names that it does not have."""
    status, out = python(interpreter, "-c", "import importlib.util as u, json, sys\n"
                         "print(json.dumps([n for n in sys.argv[1:] if u.find_spec('test.' + n) is None]))", *names)
    if status != 0:
        raise RuntimeError(f"{interpreter.name} does not run:\n{out[-1000:]}")
    missing = json.loads(out)
    status, out = python(interpreter, "-m", "test", "--list-tests", *(n for n in names if n not in missing))
    return out.split(), missing
