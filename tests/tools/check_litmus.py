"""The litmus tests are made of the ledgers: what is drawn, and that a ledger which claims too little or too much is noticed."""
import re
import shutil
import sys
import unittest

from house import ROOT

sys.path.insert(0, str(ROOT / "tests"))
import litmus  # noqa: E402
from litmus import chapters, orders  # noqa: E402


class Litmus(unittest.TestCase):
    def setUp(self):
        self.rows, findings = orders.ledgers(chapters.load())
        self.assertEqual(findings, [])

    def test_the_chapter_shows_what_is_drawn(self):
        shown = re.search(r"```text\n(C I2-I1\n.*?)```", (ROOT / "book/13-every-order.md").read_text(encoding="utf-8"), re.DOTALL).group(1)
        drawn = next(text for name, text, _ in litmus.pair_tests(self.rows) if name == "I2-I1")
        drawn = litmus.with_orders(drawn, {tag: self.rows[tag].order for tag in ("I1", "I2")})
        self.assertEqual([line.rstrip() for line in drawn.strip().split("\n")], shown.strip().split("\n"))

    def test_each_pair_and_each_needed_order_has_its_case(self):
        tests = [*litmus.pair_tests(self.rows), *litmus.own_tests(self.rows)]
        taken = {(row.tag, lost) for _, _, some in tests for row, lost in some}
        needed = {(row.tag, lost) for row in self.rows.values() for lost in orders.GIVES.get(row.needed, ())}
        self.assertEqual(taken, needed)
        for name, text, some in tests:
            wanted = [wanted for _, _, wanted in litmus.cases(text, some, self.rows)]
            self.assertEqual(wanted, ["Never"] * 2 + ["Sometimes"] * len(some), name)

    def test_an_exchange_that_fails_asks_for_less(self):
        """Where an exchange fails it only loads: release becomes relaxed there, and a relaxed fence is none at all."""
        text = "A(atomic_compare_exchange_strong_explicit(x, e, 1,\n memory_order_seq_cst, memory_order_seq_cst)); /* [Z1] */\natomic_thread_fence(memory_order_release); /* [Z2] */\nB"
        made = litmus.with_orders(text, {"Z1": "release", "Z2": "relaxed"})
        self.assertRegex(made, r"memory_order_release, memory_order_relaxed\)\)")
        self.assertNotRegex(made, "fence")
        self.assertRegex(litmus.with_orders(text, {"Z1": "acquire, release"}), "memory_order_acq_rel, memory_order_acquire")

    @unittest.skipUnless(shutil.which("herd7") or litmus.PLACE.is_dir(), "herd7 is not here: make litmus fetches it")
    def test_a_ledger_that_is_wrong_is_noticed(self):
        command = litmus.herd()
        _, text, taken = next(test for test in litmus.pair_tests(self.rows) if test[0] == "I2-I1")
        verdicts = {}
        for needed in ("acquire", "relaxed"):
            self.rows["I1"].needed = needed
            verdicts[needed] = [litmus.observe(command, "wrong", case) == wanted for _, case, wanted in litmus.cases(text, taken[:1], self.rows)]
        self.assertEqual(verdicts, {"acquire": [True, True, True], "relaxed": [True, False, True]})


if __name__ == "__main__":
    unittest.main()
