"""The bench's arithmetic: medians, ratios, the rejection of foreign load, the verdicts on the goals, the plan."""
import contextlib
import csv
import io
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from house import ROOT

sys.path.insert(0, str(ROOT / "tests"))
import bench  # noqa: E402
import bench_report as report  # noqa: E402


def rows(*values, clean=1, least="", most=""):
    return [{"value": str(value), "clean": str(clean), "least": str(least), "most": str(most)} for value in values]


class Arithmetic(unittest.TestCase):
    def test_a_figure_is_the_median_with_least_and_most(self):
        figure = report.Figure(rows(9, 1, 4, 2, 100))
        self.assertEqual((figure.median, figure.low, figure.high, figure.rounds, figure.clean), (4, 1, 100, 5, True))

    def test_rounds_with_foreign_load_count_only_when_there_are_no_others(self):
        self.assertEqual(report.Figure(rows(50, 60, clean=0) + rows(3, 5)).median, 4)
        loaded = report.Figure(rows(50, 60, clean=0))
        self.assertEqual((loaded.median, loaded.clean), (55, False))

    def test_a_ratio_above_one_is_better_whatever_the_unit(self):
        fast, slow = report.Figure(rows(10)), report.Figure(rows(40))
        self.assertEqual(report.ratio("crowd", slow, fast), 4)          # more a second
        self.assertEqual(report.ratio("alternate", fast, slow), 4)      # less time
        self.assertTrue(math.isnan(report.ratio("crowd", fast, None)))
        self.assertTrue(math.isnan(report.ratio("wait", fast, report.Figure(rows(0)))))

    def test_ratios_are_averaged_so_that_a_half_and_a_double_cancel(self):
        self.assertAlmostEqual(report.mean_ratio([0.5, 2.0]), 1)
        self.assertAlmostEqual(report.mean_ratio([4.0, math.nan, 1.0]), 2)
        self.assertTrue(math.isnan(report.mean_ratio([])))

    def test_fairness_is_the_least_of_the_most(self):
        self.assertEqual(report.Figure(rows(1, 1, least=5, most=20)).fairness, 0.25)
        self.assertIsNone(report.Figure(rows(1)).fairness)

    def test_three_digits(self):
        self.assertEqual([report.show(v) for v in (1234.5, 99.94, 4.567, 0.04321, 0, math.nan)], ["1,234", "99.9", "4.57", "0.0432", "0", "–"])


class Load(unittest.TestCase):
    def share(self, busy_ms, own_ms, span_ms=100, cpus=2):
        return bench.foreign_share({"busy": busy_ms * 1e6, "own": own_ms * 1e6, "span": span_ms * 1e6}, cpus)

    def test_ticks_are_forgiven_and_a_neighbour_is_not(self):
        self.assertEqual(self.share(200, 200), 0)
        self.assertEqual(self.share(220, 190), 0)                       # a tick or two at either end
        self.assertGreater(self.share(200, 100), report.FOREIGN)        # half of both processors went elsewhere

    def answers(self, *shares):
        class Fake:
            given = [{"ns": 1.0, "times": 1, "span": 1e8, "busy": 4e7 + share * 2e8, "own": 0} for share in shares]

            def ask(self, peer, cell):
                return self.given.pop(0)
        return Fake()

    def test_a_loaded_measurement_is_repeated(self):
        peer, cell = bench.PEERS[0], bench.Cell("uncontended")
        _, foreign, again = bench.measure(self.answers(0.5, 0.4, 0.0), peer, cell, 2, 4)
        self.assertEqual((foreign, again), (0, 2))

    def test_patience_ends_and_the_figure_is_marked(self):
        peer, cell = bench.PEERS[0], bench.Cell("uncontended")
        _, foreign, again = bench.measure(self.answers(0.5, 0.5), peer, cell, 2, 1)
        self.assertGreater(foreign, report.FOREIGN)
        self.assertEqual(again, 1)

    def test_a_lock_that_does_not_exclude_ends_the_run(self):
        class Fake:
            def ask(self, peer, cell):
                return {"ns": 1, "times": 1, "excluded": 0, "span": 1, "busy": 0, "own": 0}
        with self.assertRaisesRegex(SystemExit, "pthread, crowd: two threads were under the lock at once"):
            bench.measure(Fake(), next(p for p in bench.PEERS if p.name == "pthread"), bench.Cell("crowd", 2), 2, 0)


class Goals(unittest.TestCase):
    NAMES = {peer.name: peer.title for peer in bench.PEERS}

    def verdict(self, start, cells, port="port-gil"):
        figures = {key: {peer: report.Figure(rows(value)) for peer, value in peers.items()} for key, peers in cells.items()}
        return next(at for goal, at in report.goals(figures, self.NAMES).items() if goal.startswith(start)).get(port)

    def test_what_was_not_measured_has_no_verdict(self):
        verdicts = report.goals({}, self.NAMES)
        self.assertEqual(len(verdicts), 14)
        self.assertEqual([goal for goal, at in verdicts.items() if at], [goal for goal in verdicts if goal.startswith(report.NOT_OF_THE_GIL)])
        self.assertEqual([at for at in verdicts.values() if at], [{"port-gil": None}] * 4)
        self.assertNotIn("met", report.goal_table(verdicts))

    def test_alone(self):
        cells = {("uncontended", 1, 0, 0): {"bare": 4.0, "port-gil": 4.2, "port-ft": 4.3}}
        self.assertEqual(self.verdict("Alone", cells), ("1.05 ×", True))
        self.assertEqual(self.verdict("Alone", cells, "port-ft"), ("1.07 ×", False))

    def test_crowds(self):
        def cell(gap, ours, best):
            return {("crowd", 256, 50, gap): {"port-gil": ours, "cpython-gil": best, "port-ft": ours, "cpython-ft": best, "parking-lot": 1.0}}
        cells = cell(0, 2.0, 1.9) | cell(1, 2.0, 1.9) | cell(2, 2.0, 1.9) | cell(3, 2.0, 1.9) | cell(4, 1.0, 2.0)
        self.assertEqual(self.verdict("Crowds: at least", cells, "port-ft"), ("in 4 of 5", True))
        self.assertEqual(self.verdict("Crowds: at least", cells | cell(5, 1.0, 2.0), "port-ft"), ("in 4 of 6", False))
        self.assertEqual(self.verdict("256 threads", cells, "port-ft"), ("least 1.00 ×, mean 1.74 ×", True))
        self.assertEqual(self.verdict("Crowds: nowhere", cells), ("least 0.50 × (256: 50/4), beyond in 1 of 5", False))
        self.assertEqual(self.verdict("Crowds: nowhere", cell(0, 0.95, 1.0)), ("least 0.95 × (256: 50/0), beyond in 0 of 1", True))

    def test_four_goals_are_not_asked_of_the_build_with_the_gil(self):
        cells = {("alternate", 2, 0, 0): {"port-gil": 0.3, "port-ft": 0.3}, ("wait", 8, 1000, 0): {"port-gil": 1.0, "port-ft": 1.0}}
        self.assertIsNone(self.verdict("Alternation", cells))
        self.assertEqual(self.verdict("Alternation", cells, "port-ft"), ("0.30 µs", True))
        self.assertIsNone(self.verdict("Longest wait of 8", cells))
        self.assertIn("| – | 0.30 µs: met |", report.goal_table({"Alternation": {"port-gil": None, "port-ft": ("0.30 µs", True)}}))

    def test_the_longest_wait_is_held_to_twice_cpythons_up_to_64_threads(self):
        def cell(threads, ours, theirs):
            return {("wait", threads, 50, 0): {"port-ft": ours, "cpython-ft": theirs}}
        self.assertEqual(self.verdict("Longest wait of up", cell(64, 40.0, 20.0) | cell(256, 99.0, 1.0), "port-ft"), ("most 2.00 × (64: 50/0), beyond in 0 of 1", True))
        self.assertEqual(self.verdict("Longest wait of up", cell(64, 60.0, 20.0) | cell(2, 1.0, 1.0), "port-ft"), ("most 3.00 × (64: 50/0), beyond in 1 of 2", False))

    def test_what_a_waiter_is_promised(self):
        self.assertEqual(self.verdict("Waits with", {("timed", 2, 2, 5): {"port-gil": 95.0, "cpython-gil": 100.0}}), ("least 0.95 ×", True))
        self.assertEqual(self.verdict("Waits with", {("timed", 2, 2, 5): {"port-gil": 0.0, "cpython-gil": 100.0}}), ("least 0.00 ×", False))
        self.assertEqual(self.verdict("A wait beside", {("latency", 2, 2, 0): {"port-gil": 1.0, "cpython-gil": 1.0}}), ("1.00 ×", True))
        self.assertEqual(self.verdict("A wait beside", {("latency", 2, 2, 0): {"port-gil": 9.0, "cpython-gil": 1.0}}), ("9.00 ×", False))
        due = {("due-idle", 1, 0, 0): {"port-gil": 0.2, "cpython-gil": 0.1}}
        self.assertEqual(self.verdict("A waiter that is due", due), ("+0.10 ms (one processor, `SCHED_IDLE`)", True))
        self.assertEqual(self.verdict("A waiter that is due", due | {("poller", 1, 0, 0): {"port-gil": 5000.0, "cpython-gil": 0.1}}), ("+4999.90 ms (attached poller)", False))

    def test_arena(self):
        self.assertEqual(self.verdict("Arena", {("arena-warm", 1, 0, 0): {"port-gil": 2.0, "cpython-gil": 4.0}}), ("0.50 ×", True))
        self.assertEqual(self.verdict("Arena", {("arena-warm", 1, 0, 0): {"port-gil": 3.0, "cpython-gil": 4.0}}), ("0.75 ×", False))


class Report(unittest.TestCase):
    FACTS = {"at": "2026-01-01", "quick": False, "refused": [], "missing": {"nsync": "it is away"},
             "machine": {"processor": "P", "cores": 2, "virtual": "", "kernel": "Linux 1", "compiler": "cc 1"},
             "peers": {"cpython-gil": "3.14", "port-gil": ""}, "titles": {peer.name: peer.title for peer in bench.PEERS}}

    def write(self, place, measured):
        with open(place / "raw.csv", "w", newline="") as file:
            out = csv.writer(file)
            out.writerows([bench.FIELDS, *measured])
        report.write(place / "raw.csv", self.FACTS, place)
        return (place / "bench.md").read_text()

    def test_every_figure_is_in_the_csv_and_a_missing_peer_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            text = self.write(place, [[r, "crowd", n, 0, 0, peer, v * r, 10, 20, "", 0, 1] for r in (1, 2, 3) for n in (2, 4)
                                      for peer, v in (("cpython-gil", 1.0), ("port-gil", 2.0))])
            with open(place / "bench.csv") as file:
                figures = list(csv.DictReader(file))
            self.assertEqual(len(figures), 4)
            self.assertEqual([(f["median"], f["least"], f["most"], f["times_cpython"]) for f in figures if f["peer"] == "port-gil"], [("4", "2", "6", "2.0000")] * 2)
            self.assertIn("nsync_mu (it is away)", text)
            self.assertIn("P, 2 cores", text)

    def test_what_is_below_a_goal_is_bold_and_the_policy_has_its_gain(self):
        with tempfile.TemporaryDirectory() as folder:
            text = self.write(pathlib.Path(folder), [[1, "crowd", 8, 50, 0, peer, value, 10, 20, "", 0, 1] for peer, value in (
                ("cpython-gil", 1.0), ("cpython-ft", 4.0), ("port-gil", 2.0), ("upstream-gil", 0.5), ("port-ft", 3.0))])
        self.assertIn("| 8: 50/0 | 0.500 | 2.00 | **0.750** | **0.750** |", text)
        self.assertIn("| crowd of 8, mean of all cells | 4.00 | – |", text)

    @unittest.skipUnless(shutil.which("gnuplot"), "no gnuplot here: make setup bench")
    def test_each_plot_stands_with_its_work(self):
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            text = self.write(place, [[1, work, 1, 0, 0, peer, v, "", "", "", 0, 1] for work in ("arena-warm", "start") for peer, v in (("cpython-gil", 4), ("port-gil", 2))])
            self.assertIn("**Arena, warm**: one node.\n\n![One node drawn", text)
            svg = (place / "bench-arena-warm.svg").read_text()
        self.assertIn("the port, GIL build", svg)
        self.assertNotIn("black", svg)

    def test_a_chapter_can_begin_with_the_ports_beside_cpython(self):
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            self.write(place, [[1, work, n, 50, gap, peer, value, 10, 20, "", 0, 1] for n in (2, 256) for gap, theirs in ((0, 2.0), (100, 0.5)) for work, ours in (("crowd", n), ("wait", 3))
                               for peer, value in (("cpython-ft", theirs), ("port-ft", ours))])
            text = (place / "bench-found.md").read_text()
        self.assertIn("| FT: work done | 2.00 | 256.00 |\n| FT: the longest wait | 3.00 | 3.00 |", text)
        self.assertNotIn("GIL", text)

    def test_what_was_missed_is_told_cell_by_cell(self):
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            self.write(place, [[r, "crowd", 8, 50, gap, peer, value * r, 10, 20, "", 0, 1] for r in (1, 1.01) for gap, figures in ((0, (4.0, 3.0)), (100, (4.0, 3.999)), (200, (4.0, 5.0)))
                               for peer, value in zip(("cpython-ft", "port-ft"), figures)])
            text = (place / "bench-missed.md").read_text()
        self.assertIn("Of 2 goals 2 were missed.", text)
        self.assertIn("80 % of the cells (port FT): in 1 of 3. The cells: 8: 50/0 0.75 ×, (8: 50/100 1.00 ×).", text)
        self.assertIn("build of the same kind (port FT): least 0.75 × (8: 50/0), beyond in 1 of 3. The cells: 8: 50/0 0.75 ×.", text)

    def test_longest_waits_stand_beside_cpythons_and_a_starved_waiter_is_told_as_such(self):
        with tempfile.TemporaryDirectory() as folder:
            text = self.write(pathlib.Path(folder), [[1, work, threads, section, gap, peer, value, "", "", longest, 0, 1] for work, threads, section, gap, figures, longest in (
                ("wait", 64, 50, 0, (1.0, 3.0), ""), ("wait", 256, 50, 0, (1.0, 3.0), ""), ("timed", 2, 2000000, 5000000, (100, 4), ""), ("latency", 2, 2000000, 0, (1.0, 9.0), 77),
                ("poller", 1, 0, 0, (0.06, 5000.0), ""), ("crowd-2-locks", 8, 50, 100, (3.0, 4.0), "")) for peer, value in zip(("cpython-gil", "port-gil"), figures)])
        for row in ("| 64: 50/0 | 1.00 | 3.00 | **3.00** | – | – | – | – |", "| 256: 50/0 | 1.00 | 3.00 | 3.00 | – | – | – | – |", "| peer | held 2 ms, limit 5 ms |",
                    "| the port, GIL build | 9.00 | 77.0 |", "| the port, GIL build | > 5 s |", "| peer | 2 locks |"):
            self.assertIn(row, text)

    def test_a_line_that_is_no_measurement_is_named(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(SystemExit, r"raw\.csv:3: not a measurement"):
            self.write(pathlib.Path(folder), [[1, "wait", 8, 1000, 0, "port-gil", 1.0, 1, 1, "", 0, 1], [1, "wait", 8]])


class Program(unittest.TestCase):
    def test_a_peer_that_comes_later_is_linked_in(self):
        with tempfile.TemporaryDirectory() as folder:
            house = pathlib.Path(folder) / "house"
            shutil.copytree(ROOT, house, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
            for peers in (["bare"], ["bare", "futex"], ["bare", "futex"], ["futex"]):
                subprocess.run(["make", "-s", "-C", house, "LINE=", "build/bench/bench", f"BENCH_PEERS={' '.join(peers)}"], check=True,
                               env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")})
                listed = subprocess.run([house / "build/bench/bench", "--list"], capture_output=True, text=True, check=True).stdout
                self.assertEqual(sorted(line.split("\t")[0] for line in listed.splitlines()), peers)


class Plan(unittest.TestCase):
    def test_the_matrix_is_whole(self):
        crowd = [cell for cell in bench.plan(False) if cell.work == "crowd"]
        self.assertEqual({(c.threads, c.section, c.gap) for c in crowd},
                         {(n, s, g) for n in (2, 4, 8, 64, 256) for s in (0, 50, 1000) for g in (0, 100, 200)})

    def test_the_longest_wait_is_looked_for_in_every_cell(self):
        for quick in (True, False):
            crowd, wait = ({(c.threads, c.section, c.gap) for c in bench.plan(quick) if c.label == work} for work in ("crowd", "wait"))
            self.assertEqual(crowd, wait)

    def test_a_crowd_of_ones_own(self):
        self.assertEqual(bench.crowd_cell("8:50/100:2:700").line("futex"), "futex crowd 8 50 100 100 2 700\n")
        self.assertEqual(bench.crowd_cell("4:0/0").label, "crowd")
        with self.assertRaisesRegex(SystemExit, "8:50 is no crowd"):
            bench.crowd_cell("8:50")

    def test_what_a_machine_refuses_is_no_measurement(self):
        class Fake:
            def ask(self, peer, cell):
                return {"ns": -1.0, "times": 1, "refused": 1, "span": 1, "busy": 0, "own": 0}
        with contextlib.redirect_stderr(io.StringIO()):
            out = io.StringIO()
            refused = bench.run(Fake(), [bench.Cell("due-fifo", among=("port-gil",))], bench.PEERS, dict.fromkeys((p.name for p in bench.PEERS), {"due-fifo"}), 1, 1, csv.writer(out), 0)
        self.assertEqual((refused, out.getvalue()), ({"due-fifo"}, ""))

    def test_a_quick_run_and_a_smoke_leave_no_work_out(self):
        works = {cell.label for cell in bench.plan(False)}
        self.assertEqual({cell.label for cell in bench.plan(True)}, works)
        self.assertEqual(sorted(cell.label for cell in bench.smoke_plan()), sorted(works))

    def test_an_unknown_peer_is_refused_by_name(self):
        before, sys.argv = sys.argv, ["bench.py", "--peer", "nobody"]
        try:
            with contextlib.redirect_stderr(io.StringIO()), self.assertRaisesRegex(SystemExit, "no peer called nobody; there are cpython-gil "):
                bench.main()
        finally:
            sys.argv = before


if __name__ == "__main__":
    unittest.main()
