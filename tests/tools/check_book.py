"""The weaver's own reading of the chapters: terms, references, parts, and what LaTeX said of its boxes."""
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "book/weave"), str(ROOT / "book"), str(ROOT / "tests/book")]
import check_pages  # noqa: E402
import weave  # noqa: E402

GLOSSARY = """# Glossary

### Park

<!-- also: parks, parked -->

To go to *sleep* in the [lot](07-lot.md), at `v`. To wake is another
matter.

### Pair

<!-- not linked -->

Two things.
"""


class BookOnPaper(unittest.TestCase):
    def test_terms_have_their_forms_and_a_first_sentence(self):
        terms = weave.glossary(GLOSSARY)
        self.assertEqual(sorted(terms), ["park", "parked", "parks"])
        self.assertEqual(terms["parks"], {"id": "park", "brief": "To go to sleep in the lot, at v."})

    def test_a_name_of_the_system_leads_to_no_stand_in(self):
        entry = {"kind": "macro", "chapter": "06-starting", "file": "tests/threads_again.h"}
        self.assertTrue(weave.meant("malloc", entry, "06-starting"))
        self.assertFalse(weave.meant("malloc", entry, "03-arena"))
        self.assertTrue(weave.meant("UNTIL", entry, "03-arena"))
        self.assertTrue(weave.meant("in_threads", entry | {"kind": "function"}, "03-arena"))
        self.assertFalse(weave.meant("parcel", entry | {"kind": "function", "file": "tests/check_arena.c"}, "05-hash-secret"))

    def test_each_reference_knows_who_cites_it(self):
        texts = {"01-a": "Knuth [-@knuth1984].", "02-b": "As in [@knuth1984, page 3].\n\n```\n[-@other2000]\n```\n"}
        self.assertEqual(weave.citations(texts, {"knuth1984"}), {"knuth1984": ["01-a", "02-b"]})

    def test_a_reference_that_is_not_there_is_told(self):
        with self.assertRaisesRegex(weave.Failure, r"^book/01-a\.md:5: @knuth1948 is no entry of book/references\.yaml: did you mean @knuth1984\?$"):
            weave.citations({"01-a": "Knuth [-@knuth1984].\n\n`@none` and me@here.org\n\nAgain [see @knuth1984, page 3]: [-@knuth1948]"}, {"knuth1984"})

    def test_a_reference_that_nobody_cites_is_told(self):
        with self.assertRaisesRegex(weave.Failure, "no chapter cites hoare1974"):
            weave.citations({"01-a": "Knuth [-@knuth1984]."}, {"knuth1984", "hoare1974"})

    def test_the_contents_of_an_epub_have_parts(self):
        item = '<li id="toc-li-{0}"><a href="text/ch00{0}.xhtml#ch-0{0}-x">X</a></li>'
        nav = "<nav><ol>" + "".join(item.format(n) for n in (1, 2, 3)) + "</ol></nav>"
        made = weave.in_parts(nav, [{"number": "I", "title": "One", "stems": ["02-x"]}, {"number": "II", "title": "Two", "stems": ["03-x"]}])
        self.assertEqual(made, "<nav><ol>" + item.format(1) + '<li><span>Part I · One</span><ol class="toc">' + item.format(2) + "</ol></li>"
                         '<li><span>Part II · Two</span><ol class="toc">' + item.format(3) + "</ol></li></ol></nav>")

    def test_a_line_that_runs_over_its_margin_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder) / "book.log"
            log.write_text("Overfull \\hbox (1.9pt too wide) detected at line 7\nOverfull \\hbox (2.1pt too wide) detected at line 9\n")
            self.assertEqual(list(check_pages.code_overflows(log)), ["book.log: Overfull \\hbox (2.1pt too wide) detected at line 9"])


if __name__ == "__main__":
    unittest.main()
