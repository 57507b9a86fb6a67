"""The checks of the woven book see what is broken: a page, a log, a list of fonts with one fault each. And the moving
figures: what is kept of a recording, and a chapter that tells another story than the recording."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from house import ROOT

sys.path.insert(0, str(ROOT / "tests/book"))
import check_pages  # noqa: E402
import traces  # noqa: E402


def page(text):
    return {"a.html": check_pages.Page(f"<!DOCTYPE html><html><body>{text}</body></html>")}


class Pages(unittest.TestCase):
    def seen(self, findings, what):
        self.assertIn(what, "\n".join(findings))

    def test_a_sound_page_is_passed(self):
        sound = page('<p id="x"><a href="#x">x</a><img src="b.png"></p>')
        for check in (check_pages.dead_links(sound, {"b.png"}), check_pages.foreign_loads(sound), check_pages.double_ids(sound), check_pages.leftovers(sound), sound["a.html"].unbalanced):
            self.assertEqual(list(check), [])

    def test_links(self):
        self.seen(check_pages.dead_links(page('<a href="b.html">x</a>'), set()), "b.html leads to no file")
        self.seen(check_pages.dead_links(page('<a href="#x">x</a>'), set()), "#x leads to no id")
        self.seen(check_pages.dead_links(page('<img src="gone.png">'), set()), "gone.png leads to no file")

    def test_loads(self):
        self.seen(check_pages.foreign_loads(page('<script src="//elsewhere/x.js"></script>')), "elsewhere")
        self.seen(check_pages.foreign_loads(page('<p style="background: url(http://elsewhere/x)">x</p>')), "elsewhere")
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "x.css").write_text('@import "http://elsewhere/y.css"; p { background: url("gone.png") }', encoding="utf-8")
            self.seen(check_pages.css_loads(pathlib.Path(folder)), "elsewhere")
            self.seen(check_pages.css_loads(pathlib.Path(folder)), "gone.png, which is not there")

    def test_tags_and_ids(self):
        self.seen(page("<div><p>x</div>")["a.html"].unbalanced, "</div> closes")
        self.seen(page("<div>x")["a.html"].unbalanced, "</body> closes")
        self.seen(check_pages.double_ids(page('<p id="x"></p><p id="x"></p>')), "occurs 2 times")

    @unittest.skipUnless(shutil.which("tidy"), "tidy is not installed")
    def test_tidy(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "x.html"
            sound = '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>x</title></head><body><p>x</p></body></html>'
            path.write_text(sound, encoding="utf-8")
            self.assertEqual(list(check_pages.invalid([path])), [])
            path.write_text(sound.replace("<p>", "<p><nonsense>"), encoding="utf-8")
            self.seen(check_pages.invalid([path]), "<nonsense> is not recognized")

    def test_chunks_and_claims(self):
        index = {"chunks": {"do it": {"defs": [{"chapter": "a", "id": "c-1", "n": 1}]}}, "claims": {"a-b": {"chapter": "a"}}}
        self.assertEqual(list(check_pages.missing_from_pages(index, page('<p id="c-1"></p><p id="claim-a-b"></p>'))), [])
        self.seen(check_pages.missing_from_pages(index, page('<p id="claim-a-b"></p>')), "lacks <<do it>>")
        self.seen(check_pages.missing_from_pages(index, page('<p id="c-1"></p>')), "lacks claim a-b")
        self.seen(check_pages.leftovers(page("<p>@&lt;&lt; and gfreference7x</p>")), "gfreference7x")

    def test_paper(self):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder) / "x.log"
            log.write_text("Overfull \\hbox (1.9pt too wide)\nOverfull \\hbox (2.1pt too wide) here\nMissing character: no x\n", encoding="utf-8")
            self.assertEqual(len(list(check_pages.code_overflows(log))), 1)
            self.assertEqual(len(list(check_pages.missing_letters(log))), 1)


class Traces(unittest.TestCase):
    STEPS = [{"who": who, "did": "", "in": "", "clock": 0, "byte": byte, "holder": holder, "queue": queue, "threads": threads} for who, byte, holder, queue, threads in [
        ("A", 0, "", [], [["runs", ""], ["runs", ""]]), ("A", 1, "A", [], [["runs", ""], ["runs", ""]]), ("B", 1, "A", [], [["runs", ""], ["runs", ""]]),
        ("B", 3, "A", [], [["runs", ""], ["runs", ""]]), ("B", 3, "A", ["B mutex"], [["runs", ""], ["runs", ""]]), ("B", 3, "A", ["B mutex"], [["runs", ""], ["asleep", ""]])]]

    def test_steps_that_show_nothing_are_left_out(self):
        kept = traces.worth_showing(self.STEPS)
        self.assertEqual([step["byte"] for step in kept], [0, 1, 3, 3])
        self.assertEqual(kept[-1]["threads"][1][0], "asleep")       # falling asleep goes with the queueing

    def test_every_picture_has_the_same_parts(self):
        for name in ("arena", "mutex", "parking-lot"):
            frames = traces.load(ROOT / f"book/traces/{name}.json")
            self.assertEqual({frame["svg"].count("<g ") for frame in frames}, {frames[0]["svg"].count("<g ")}, name)

    def test_a_trace_is_read_with_its_lines(self):
        said = '{"step": 1, "byte": 1}\n   1 A                exchanges  mutex       0 -> 1               _PyMutex_Lock, book/10-mutex.md:1\n'
        self.assertEqual(traces.read_recording(said), [{"who": "A", "did": "exchange mutex, 00 → 01", "in": "_PyMutex_Lock", "step": 1, "byte": 1}])

    @unittest.skipUnless(shutil.which("pandoc"), "pandoc is not installed")
    def test_a_chapter_that_tells_another_story_is_refused(self):
        told = "- 00 | Free.\nA 01 | Held.\n"
        older = "Recorded before the last change of the port, which does not compile."
        for words, complaint in ((told, None), (told + "older", None), (told.replace("01", "11"), 'the chapter says "A 11", the recording "A 01"'), ("- 00 | Free.\n", "has 2 steps, the chapter tells 1")):
            with tempfile.TemporaryDirectory() as folder:
                place, words, stale = pathlib.Path(folder), words.removesuffix("older"), words.endswith("older")
                frames = traces.frames([dict(self.STEPS[0], who=""), self.STEPS[1]])
                (place / "i.lua").write_text("return {chapters={{stem='01-x',number='1'}},chunks={},identifiers={},citations={},claims={},claimed={},reports={},marks={},trace_style='',traces_older=" + str(stale).lower() + ",traces={x={"
                                             + ",".join("{" + ",".join(f"{key}={json.dumps(value)}" for key, value in frame.items()) + "}" for frame in frames) + "}}}", encoding="utf-8")
                chapter = f'# X\n\n```{{.trace #fig-x src="x" caption="c" alt="a"}}\n{words}```\n'
                made = subprocess.run(["pandoc", "--from", "markdown", "--to", "html", "--lua-filter", str(ROOT / "book/weave/groundfloor.lua"), "-M", "gf-target=html", "-M", f"gf-index={place / 'i.lua'}",
                                       "-M", "gf-stem=01-x", "-M", f"gf-figures={folder}"], input=chapter, capture_output=True, text=True)
                if complaint:
                    self.assertIn(complaint, made.stderr)
                else:
                    self.assertEqual((made.returncode, made.stdout.count("<li>"), older in " ".join(made.stdout.split())), (0, 2, stale), made.stderr)


if __name__ == "__main__":
    unittest.main()
