"""The graft's own mistakes: what it must tell as a difference, and what it must not take for one."""
import json
import os
import pathlib
import sys
import tempfile
import time
import unittest
from unittest import mock

from house import ROOT

sys.path[:0] = [str(ROOT / "tests/graft"), str(ROOT / "tests")]
import build  # noqa: E402
import graft  # noqa: E402
import museum  # noqa: E402
import packages  # noqa: E402
import regress  # noqa: E402
import report  # noqa: E402

REPORT = """<testsuites tests="6"><testsuite>
<testcase name="test.t.A.good" status="run" result="completed" />
<testcase name="test.t.A.left_out"><skipped>no reason</skipped></testcase>
<testcase name="test.t.A.bad"><failure type="AssertionError">1 != 2</failure></testcase>
<testcase name="test.t.A.broken"><error type="OSError">no</error></testcase>
<testcase name="test.t.A.known"><output type="AssertionError">as expected</output></testcase>
<testcase name="test.t.A.surprise"><outcome>UNEXPECTED_SUCCESS</outcome></testcase>
<testcase name="test.t.A.part" /><testcase name="test.t.A.part"><failure>one subtest</failure></testcase>
</testsuite></testsuites>"""


class Read(unittest.TestCase):
    def read(self, text, status=0):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "report.xml")
            if text is not None:
                path.write_text(text)
            return regress.read(path, status, "some output\nValueError: no\n", 9)

    def test_every_outcome_is_known(self):
        cases, why = self.read(REPORT, 2)
        self.assertEqual({name.rsplit(".", 1)[1]: outcome for name, outcome in cases.items()},
                         {"good": "passed", "left_out": "skipped", "bad": "failed", "broken": "failed", "known": "passed", "surprise": "failed",
                          "part": "failed"})
        self.assertEqual(why, "exit 2: ValueError: no")
        self.assertEqual(regress.counts(cases), (7, 2, 1, 4))

    def test_a_crash_is_a_failure_though_no_case_says_so(self):
        for text in (None, "<testsuites>", REPORT.replace("failure", "x").replace("error ", "y ").replace("/error", "/y").replace("outcome", "z")):
            self.assertEqual(self.read(text, -11)[0][regress.WHOLE], "failed", text)

    def test_a_file_that_ran_too_long_is_a_failure(self):
        cases, why = self.read(None, None)
        self.assertEqual(cases, {regress.WHOLE: "failed"})
        self.assertIn("took longer than 9 s", why)

    def test_success_without_a_report_is_none(self):
        self.assertEqual(self.read(None, 0)[0], {regress.WHOLE: "failed"})

    def test_a_file_that_was_skipped_whole(self):
        self.assertEqual(self.read("<testsuites />", 0)[0], {regress.WHOLE: "skipped"})
        with tempfile.TemporaryDirectory() as folder:
            skipped = "1 test skipped:\n    test_x\n\nResult: SUCCESS\n"
            self.assertEqual(regress.read(pathlib.Path(folder, "none"), 0, skipped, 9), ({regress.WHOLE: "skipped"}, ""))


class Compare(unittest.TestCase):
    BASE = {"a": "passed", "b": "passed", "c": "passed", "d": "failed", "e": "skipped"}

    def test_whatever_does_not_pass_any_more_is_told(self):
        self.assertEqual(regress.worse(self.BASE, {"a": "failed", "b": "skipped", "d": "failed", "e": "skipped"}),
                         {"a": "failed", "b": "skipped", "c": "not run"})

    def test_what_failed_before_may_do_anything(self):
        self.assertEqual(regress.worse(self.BASE, {**self.BASE, "d": "passed", "e": "failed", "f": "failed"}), {})

    def again(self, bases, other):
        bases = iter(bases)
        return regress.again(lambda: (next(bases), ""), lambda: (other, ""), {"a": "failed", "b": "failed"})

    def test_a_mood_passes_a_mistake_lasts(self):
        self.assertEqual(self.again([self.BASE] * 2, {**self.BASE, "a": "failed"}), ({"a": "failed"}, ["b"], []))

    def test_the_baseline_may_be_moody_too(self):
        self.assertEqual(self.again([self.BASE, {**self.BASE, "a": "failed"}], {**self.BASE, "a": "failed"}), ({}, ["b"], ["a"]))

    def test_the_baseline_is_not_asked_for_nothing(self):
        self.assertEqual(self.again([], self.BASE), ({}, ["a", "b"], []))


class Promises(unittest.TestCase):
    GOOD = {"in time": 1.0, "wait": 2.0, "poller": 0.1, "priority": 0.1}

    def ask(self, *grafts):
        """Of the graft's answers the last one is given again and again."""
        answers = list(grafts)

        def one(side, script):
            return self.GOOD if side == "baseline" else answers.pop(0) if len(answers) > 1 else answers[0]
        with mock.patch.object(graft, "ask", one), mock.patch.object(graft, "say"):
            return graft.promises(rounds=3)

    def test_the_medians_are_held_to_the_baselines(self):
        rows = self.ask({**self.GOOD, "wait": 2.5, "in time": 0.95})
        self.assertEqual([(row["kept"], row["rounds"]) for row in rows.values()], [(True, 3)] * 4)

    def test_what_is_not_kept_is_measured_again_and_lasts(self):
        rows = self.ask({**self.GOOD, "in time": 0.94, "poller": 200.0})
        self.assertEqual({name: (row["kept"], row["rounds"]) for name, row in rows.items()},
                         {"in time": (False, 9), "wait": (True, 9), "poller": (False, 9), "priority": (True, 9)})

    def test_a_bad_round_or_two_are_outnumbered(self):
        self.assertEqual([(row["kept"], row["rounds"]) for row in self.ask(*[{**self.GOOD, "wait": 9.0}] * 2, self.GOOD).values()], [(True, 6)] * 4)


class Processes(unittest.TestCase):
    def test_what_takes_too_long_is_ended_with_all_that_it_started(self):
        start = time.monotonic()
        status, out = regress.Running().run(["sh", "-c", "sleep 60 & echo $!; wait"], 0.5)
        self.assertIsNone(status)
        self.assertLess(time.monotonic() - start, 30)
        for _ in range(100):
            try:
                state = pathlib.Path("/proc", out.strip(), "stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return
            if state == "Z":
                return
            time.sleep(0.1)
        self.fail(f"process {out.strip()} lives on: {state}")

    def test_an_interpreter_is_alone_with_its_own_environment(self):
        with mock.patch.dict(os.environ, PYTHONHASHSEED="7", PYTHONPATH="/nowhere"):
            _, out = regress.python(sys.executable, "-c", "import os; print(*(k for k in os.environ if k.startswith('PYTHON')), os.getcwd() == os.environ['HOME'])")
        self.assertEqual(out.split()[-1], "True")
        self.assertNotIn("PYTHONHASHSEED", out)


class Names(unittest.TestCase):
    ROW = {"exports": 2, "imports": 2, "exports only of CPython's": [], "exports only of ours": [], "imports only of CPython's": ["gone"],
           "imports only of ours": ["extra"]}

    def unexplained(self, ledger):
        with mock.patch.object(build, "ledger", lambda: ledger):
            return build.unexplained({"lock.o": self.ROW})

    def test_a_difference_needs_a_reason(self):
        known = {"lock.o": {"imports only of CPython's": {"gone": "not wanted"}, "imports only of ours": {"extra": "  "}}}
        self.assertEqual(self.unexplained(known), ["lock.o: extra, imports only of ours: not explained in upstream-refs/graft.toml"])
        known["lock.o"]["imports only of ours"]["extra"] = "needed"
        self.assertEqual(self.unexplained(known), [])

    def test_a_reason_needs_a_difference(self):
        known = {"lock.o": {"imports only of CPython's": {"gone": "not wanted", "old": "long ago"}, "imports only of ours": {"extra": "needed"}}}
        self.assertRegex(self.unexplained(known)[0], "lock.o: old is explained .* and is no difference")

    def test_every_seeded_bug_fits_the_port(self):
        for bug in museum.exhibits(ROOT / "tangle/graft/seeded.bugs"):
            text = (ROOT / "tangle" / bug.file).read_text(encoding="utf-8")
            self.assertNotEqual(museum.apply(bug, text), text, bug)


    def test_what_extension_modules_see_is_held_to_the_ledger(self):
        with mock.patch.object(build, "ledger", lambda: {"visible": {"known": "why", "old": "why"}}):
            told = build.unexplained({}, {"lost": ["gone"], "more": ["known", "new"]})
        self.assertEqual([line.split(":")[0] for line in told], ["gone", "new", "old"])


class Report(unittest.TestCase):
    def run_of(self, graft):
        base = {"a": "passed", "b": "passed"}
        lasting = regress.worse(base, graft)
        return {"setting": "Then and there.", "everything": True, "missing": [], "seconds": 1, "c_reasons": [],
                "c_tests": {"baseline": {"test_lock_basic": "passed"}, "graft": {"test_lock_basic": "passed"}},
                "files": {"test_x.test_y": {"baseline": base, "graft": graft, "lasting": lasting, "passing": [], "unsteady": [], "why": "exit 2"}}}

    def test_a_difference_is_told_in_the_first_line_and_by_name(self):
        text = report.tests(self.run_of({"a": "passed", "b": "failed"}))
        self.assertIn("1 fails grafted that passes on the baseline", text.splitlines()[0])
        self.assertIn("**Passes on the baseline, grafted failed**: `b` of `test_x.test_y`. exit 2", text)
        self.assertRegex(text, r"\| `test_x` \| 2 \| 2 \| 0 \| 0 \| 2 \| 1 \| 0 \| 1 \|")

    def test_none_is_told_too(self):
        self.assertIn("Nothing fails grafted", report.tests(self.run_of({"a": "passed", "b": "passed"})))

    def test_a_claim_that_does_not_hold_makes_the_run_red_and_is_marked(self):
        claims = type(sys)("claims")
        exec("def test_good(run): pass\ndef test_bad(run): assert run['files'] == {}, 'there are files'", claims.__dict__)
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(sys.modules, claims=claims), mock.patch("sys.stderr"), \
                mock.patch.object(report, "RESULTS", pathlib.Path(folder, "results/results.json")):
            self.assertEqual(report.claims(self.run_of({})), 1)
            marks = json.loads(report.RESULTS.read_text())["configs"]["graft"]
        self.assertEqual(marks, {"test_good": "success", "test_bad": "failure"})


class Unavailable(unittest.TestCase):
    def test_no_network_ends_in_one_line_without_an_address(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "apt-get").write_text(
                "#!/bin/sh\ncase $1 in indextargets) echo http://archive.invalid/debian Debian Debian ;;\n"
                "*) echo 'E: Failed to fetch http://archive.invalid/debian/x  no route' >&2; exit 100 ;; esac\n")
            pathlib.Path(folder, "apt-get").chmod(0o755)
            with mock.patch.dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}"), mock.patch.object(packages, "BUILD", pathlib.Path(folder, "b")), \
                    mock.patch.object(packages, "PLACE", pathlib.Path(folder, "b/root")), mock.patch.object(packages, "say"), \
                    mock.patch.object(packages, "installed", lambda: None), self.assertRaises(packages.Unavailable) as caught:
                packages.find()
            left = list(pathlib.Path(folder, "b").glob("root"))
        text = str(caught.exception)
        self.assertRegex(text, r"^CPython 3\.14's packages cannot be had \(Debian's testing: apt-get update failed: .*no route\)$")
        self.assertNotIn("archive.invalid", text)
        self.assertEqual(left, [])

    def test_a_machine_without_apt_is_told_so(self):
        with mock.patch.dict(os.environ, PATH="/nonexistent"), mock.patch.object(packages, "say"), \
                mock.patch.object(packages, "installed", lambda: None), mock.patch.object(packages, "kept", lambda suites: None), \
                self.assertRaisesRegex(packages.Unavailable, "apt-get is not here"):
            packages.find()
