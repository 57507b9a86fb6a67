"""The runner of the suites: what it hands down, what it keeps, and for how long a result is a result."""
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import unittest

from house import GOOD, ROOT, House

SUITE = """#!/bin/sh
# A suite as run.py sees it: a program that writes Check's report.
cat >"$CK_XML_LOG_FILE_NAME" <<END
<?xml version="1.0"?><testsuites xmlns="http://check.sourceforge.net/ns"><suite><test result="success">
<path>.</path><fn>x.c:1</fn><id>test_two_and_two</id><message>Passed</message></test></suite></testsuites>
END
echo "tests ${GF_TESTS:-all}, times $CK_TIMEOUT_MULTIPLIER, case ${CK_RUN_CASE:-any}"
"""


class Runs(House):
    def setUp(self):
        super().setUp()
        self.write("tests/run.py", (ROOT / "tests/run.py").read_bytes())
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        for config in ("gil", "ft"):
            self.write(f"build/check_toy.{config}", SUITE).chmod(0o755)

    def results(self):
        return json.loads((self.root / "build/results/results.json").read_text(encoding="utf-8"))

    def standing(self):
        """What the woven page would say of the claim."""
        code = "import sys; sys.path[:0] = ['book']; import chapters; book = chapters.load(); " \
               "print(book.standing_of(book.claims['two-and-two'], chapters.last_results())['state'])"
        return subprocess.run([sys.executable, "-c", code], cwd=self.root, capture_output=True, text=True, check=True).stdout.strip()

    def test_a_result_belongs_to_the_code_it_was_had_from(self):
        self.assertEqual(self.standing(), "notrun")
        self.assertEqual(self.tool("tests/run.py", "gil", "ft"), 0, self.err)
        self.assertEqual(self.standing(), "pass")
        self.chapter(GOOD.replace("Two and two are four.", "Two and two are four, still."))
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertEqual(self.standing(), "pass")           # prose alone
        self.chapter(GOOD.replace("toy_add(2, 2), 4", "toy_add(2, 3), 5"))
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertEqual(self.standing(), "old")            # its test
        self.chapter(GOOD)
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertEqual(self.standing(), "pass")

    def test_runs_at_once_keep_each_others_results(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda config: subprocess.run([sys.executable, "tests/run.py", config], cwd=self.root, capture_output=True).returncode,
                                 ["gil", "ft"] * 6))
        self.assertEqual(done, [0] * 12)
        self.assertEqual(sorted(self.results()["configs"]), ["ft", "gil"])

    def test_a_claim_alone(self):
        for claim in ("3.1", "two-and-two"):
            self.assertEqual(self.tool("tests/run.py", "--claim", claim, "gil"), 0, self.err)
            self.assertIn("tests test_two_and_two,", self.out)
        self.assertEqual(self.tool("tests/run.py", "--claim", "two-and-two"), 0, self.err)
        self.assertEqual(self.out, "check_toy\n")           # without a configuration it says what would run
        self.assertEqual(self.tool("tests/run.py", "--claim", "3.2", "gil"), 1)
        self.assertIn("run: no suite tests a claim 3.2; there is 3.1 two-and-two", self.err)
        self.assertEqual(self.tool("tests/run.py", "--claim", "two-and-too", "gil"), 1)
        self.assertIn("run: no suite tests a claim two-and-too; there is two-and-two", self.err)

    def test_the_callers_check_variables(self):
        self.assertEqual(self.tool("tests/run.py", "gil", CK_TIMEOUT_MULTIPLIER="3", CK_RUN_CASE="none", CK_XML_LOG_FILE_NAME="/dev/full"), 0, self.err)
        self.assertIn("tests all, times 3.0, case any", self.out)
        self.assertEqual(self.tool("tests/run.py", "gil", CK_TIMEOUT_MULTIPLIER="often"), 1)
        self.assertRegex(self.err, "CK_TIMEOUT_MULTIPLIER is often, not a number")
        self.assertNotIn("Traceback", self.err)

    def test_a_suite_that_leaves_no_report_is_told_once(self):
        self.write("build/check_toy.gil", "#!/bin/sh\nkill -9 $$\n").chmod(0o755)
        self.assertEqual(self.tool("tests/run.py", "gil", "ft"), 1)
        self.assertIn("run: check_toy (gil) left no report: it ended before its suite did, with status -9", self.err)
        self.assertNotIn("did not run", self.err)

    def test_an_interrupt_ends_the_suites(self):
        self.write("build/check_toy.gil", "#!/bin/sh\necho $$ >pid; exec sleep 100\n").chmod(0o755)
        process = subprocess.Popen([sys.executable, "tests/run.py", "gil"], cwd=self.root, stderr=subprocess.PIPE, text=True)
        while not (self.root / "pid").is_file() or not (self.root / "pid").read_text().strip():
            pass
        process.send_signal(signal.SIGTERM)
        self.assertIn("run: interrupted", process.communicate(timeout=20)[1])
        self.assertRaises(ProcessLookupError, os.kill, int((self.root / "pid").read_text()), 0)


if __name__ == "__main__":
    unittest.main()
