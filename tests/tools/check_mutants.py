"""The mutants' tool, on a toy house: what survives is named, what is killed is counted, what hangs is ended."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from house import ROOT, House

sys.path.insert(0, str(ROOT / "tests"))
import mutations  # noqa: E402

CHAPTER = """# Good

**Ours.** A toy.

```c
<<arena/toy.c>>=
#include "arena/toy.h"
int
toy_sum(int n)
{
    int sum = 0;
    while (n > 0) {
        sum += n;
        n--;
    }
    return sum;
}
@
```

```c
<<tests/support.c>>=
extern int nothing;
@
```

```c
<<arena/toy.h>>=
int toy_sum(int n);
@
```

**Claim a-sum.** One, two and three are six.

```c
<<tests/check_toy.c>>=
#include <check.h>
#include "arena/toy.h"
#define CLAIM_TEST START_TEST
CLAIM_TEST(test_a_sum) { ck_assert_int_eq(toy_sum(3), 6); } END_TEST
int
main(void)
{
    Suite *s = suite_create("toy");
    TCase *tc = tcase_create("toy");
    suite_add_tcase(s, tc);
    tcase_add_test(tc, test_a_sum);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
@
```
"""
ARGUED = """[[argued]]
file = "arena/toy.c"
in = "toy_sum"
line = "while (n > 0) {"
becomes = "%s"
because = "a zero more changes no sum"
"""


class Operators(unittest.TestCase):
    def changes(self, body, head="int\nf(int a)\n{\n"):
        return {(m.kind, m.becomes) for m in mutations.File("x.c", f"{head}{body}\n}}\n").found}

    def test_each_kind(self):
        self.assertEqual(self.changes("    if (a == 2)\n        g(a);"), {
            ("condition", "if (((a == 2), 1))"), ("condition", "if (((a == 2), 0))"), ("constant", "if (a == 3)"), ("statement", ";")})
        self.assertEqual(self.changes("    return a < 1;"), {
            ("return", "return ((void)(a < 1), (__typeof__(a < 1))0);"), ("relation", "return a <= 1;"),
            ("constant", "return a < 2;"), ("constant", "return a < 0;")})
        self.assertEqual(self.changes("    return NULL;"), {("return", "return ((void)(NULL), (__typeof__(NULL))1);")})
        self.assertEqual(self.changes("    b = _Py_atomic_load_int_acquire(&a);"), {
            ("statement", ";"), ("order", "b = _Py_atomic_load_int_relaxed(&a);")})

    def test_comments_strings_asserts_and_declarations_are_left_alone(self):
        self.assertEqual(self.changes('    int *b;\n    /* a < 1 */ assert(a < 1);      // a = 1;\n    const struct s *c = NULL;'), set())
        self.assertEqual(self.changes('    say("a < 1");'), {("statement", ";")})

    def test_a_statement_over_several_lines_leaves_the_others_where_they_are(self):
        text = "int\nf(int a)\n{\n    g(a,\n      2);\n    return a;\n}\n"
        whole = next(m for m in mutations.File("x.c", text).found if m.kind == "statement")
        self.assertEqual((text[:whole.start] + whole.new + text[whole.end:]).split("\n")[5], "    return a;")
        self.assertEqual(whole.lines, {4, 5})

    def test_the_arguments_fit_the_port(self):
        mutations.argue(mutations.every_mutant(mutations.chapters.load()))


class Mutants(House):
    def setUp(self):
        super().setUp()
        for name in ["Makefile", "tests/mutants.py", "tests/mutations.py", "upstream-refs/orders.py", *(f"tests/{p.name}" for p in (ROOT / "tests").glob("*.mk"))]:
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(exist_ok=True)
                shutil.copy(ROOT / name, self.root / name)
        self.chapter(CHAPTER)
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)

    def test_the_planted_ones(self):
        self.assertEqual(self.tool("tests/mutants.py", "-j", "2"), 1, self.out + self.err)
        survivor = CHAPTER.split("\n").index("    while (n > 0) {") + 1
        self.assertIn(f"book/03-toy.md:{survivor}: arena/toy.c, toy_sum: survived (relation)\n    - while (n > 0) {{\n    + while (n >= 0) {{\n", self.out)
        rates = re.search(r"^ +all +(\d+) +(\d+) +(\d+) +0 +0 +0 +([\d.]+) %$", self.out, re.M)
        tried, killed, survived = map(int, rates.group(1, 2, 3))
        self.assertEqual((tried, survived), (killed + 1, 1))
        self.assertEqual(float(rates.group(4)), round(100 * killed / tried, 1))
        kept = (self.root / "build/mutants/results.jsonl").read_text()
        self.assertRegex(kept, r"n\+\+.*check_toy.(gil|ft): (hangs|test_a_sum)")    # a loop without end: its suite or we end it
        self.assertRegex(kept, r"sum -= n.*check_toy.(gil|ft): test_a_sum")
        begun = time.monotonic()
        self.assertEqual(self.tool("tests/mutants.py"), 1)          # nothing is tried twice
        self.assertIn(" 0 to try", self.out)
        self.assertLess(time.monotonic() - begun, 60)

    def test_what_is_argued_is_not_counted_and_must_exist(self):
        self.write("tests/mutants.toml", ARGUED % "while (n >= 0) {")
        self.assertEqual(self.tool("tests/mutants.py", "--only", "n >= 0|sum -="), 0, self.out + self.err)
        self.assertRegex(self.out, r"all +2 +1 +0 +1 +0 +0 +100.0 %")
        self.write("tests/mutants.toml", ARGUED % "while (n >= 7) {")
        self.assertEqual(self.tool("tests/mutants.py"), 1)
        self.assertIn("mutants.toml: arena/toy.c, toy_sum: no mutant makes 'while (n > 0) {' into 'while (n >= 7) {'", self.err)

    def test_an_interrupt_keeps_what_there_is(self):
        with tempfile.TemporaryFile("w+") as out:
            run = subprocess.Popen([sys.executable, str(self.root / "tests/mutants.py"), "-j", "1"], stdout=out, env={**os.environ, "PYTHONUNBUFFERED": "1"})
            kept = self.root / "build/mutants/results.jsonl"
            while not (kept.is_file() and kept.read_text().count("\n")):
                self.assertIsNone(run.poll())
                time.sleep(.05)
            run.send_signal(signal.SIGINT)
            self.assertEqual(run.wait(60), 130)
            out.seek(0)
            self.assertIn("were not tried: the same command goes on with them", out.read())

    def test_a_port_that_fails_its_tests_is_refused(self):
        self.chapter(CHAPTER.replace("toy_sum(3), 6", "toy_sum(3), 7"))
        self.tool("book/tangle.py")
        self.assertEqual(self.tool("tests/mutants.py"), 1)
        self.assertIn("the unchanged port does not pass check_toy.gil: test_a_sum", self.err)


if __name__ == "__main__":
    unittest.main()
