"""The checker that stands before noweb: each trap in a small bad chapter, told with its file and line."""
import os
import re
import shutil
import time
import unittest

from house import GOOD, House


def at(text, needle):
    """The line, counted from 1, on which needle first stands."""
    return text[:text.index(needle)].count("\n") + 1


FENCE = "```c\n"
# name: (chapter, needle on the line that is to be named, words of the message)
TRAPS = {
    "shift_in_code": (GOOD.replace("return a + b;", "return (a << 1) + (b >> 1);"), "return (a", "defined nowhere.*@<<"),
    "shift_in_prose": (GOOD.replace("**Claim", "Write 1 << 3 or 8 >> 1.\n\n**Claim"), "Write 1", "in prose.*@<<"),
    "chunk_without_at": (GOOD.replace("<<add two numbers>>\n@\n", "<<add two numbers>>\n"), "<<toy/toy.c>>=", "no closing @"),
    "two_chunks_one_at": (GOOD.replace("int toy_add(int a, int b) {", "<<another>>=\nint toy_add(int a, int b) {"), "<<another>>=", "no closing @ before"),
    "undefined": (GOOD.replace("<<add two numbers>>\n@", "<<subtract two numbers>>\n<<add two numbers>>\n@"), "<<subtract", "defined nowhere"),
    "near_miss": (GOOD.replace("<<add two numbers>>\n@", "<<add two number>>\n@"), "<<add two number>>", "did you mean <<add two numbers>>"),
    "unused": (GOOD + FENCE + "<<left over>>=\nint x;\n@\n```\n", "<<left over>>", "used nowhere"),
    "same_but_for_case": (GOOD + FENCE + "<<Add two  numbers>>=\nint x;\n@\n```\n", "<<Add two", "differ only in|stray spaces"),
    "cycle": (GOOD.replace("{ return a + b; }", "\n<<add two numbers>>"), "<<add two numbers>>=", "in a circle"),
    "indented_chunk": (GOOD.replace("<<add two numbers>>=", "  <<add two numbers>>="), "  <<add two numbers>>=", "column 1"),
    "chunk_in_list": (GOOD + "\n- an item\n\n  ```c\n  <<in a list>>=\n  int x;\n  @\n  ```\n", "  <<in a list>>=", "column 1|in a list"),
    "chunk_in_quotation": (GOOD + "\n> ```c\n> <<quoted>>=\n> int x;\n> @\n> ```\n", "> <<quoted>>=", "quotation"),
    "chunk_in_comment": (GOOD + "\n<!--\n```c\n<<hidden>>=\nint x;\n@\n```\n-->\n", "<<hidden>>=", "in a comment"),
    "chunk_outside_fence": (GOOD + "\n<<bare>>=\nint x;\n@\n", "<<bare>>=", "outside a fence"),
    "demonstration": (GOOD + "\n```text\nTo name a chunk, write\n<<shown>>=\nint x;\n@\n```\n", "<<shown>>=", "demonstration fence"),
    "reference_in_demonstration": (GOOD + "\n```text\nuse <<it>> so\n```\n", "use <<it>>", "no chunk"),
    "text_behind_at": (GOOD.replace("<<add two numbers>>\n@\n", "<<add two numbers>>\n@\nint lost;\n"), "int lost", "never tangled"),
    "at_in_code": (GOOD.replace("{ return a + b; }", "\n@ return"), "@ return", "ends the chunk"),
    "tab": (GOOD.replace("int toy_add(int a, int b) {", "\tint toy_add(int a, int b) {"), "\tint", "a tab"),
    "reference_in_macro": (GOOD.replace("{ return a + b; }", "{ return 0; }\n#define ADD \\\n<<rest>>") + FENCE + "<<rest>>=\n1\n@\n```\n",
                           "<<rest>>", "inside a macro"),
    "open_quotation": (GOOD + "\nAn [[unclosed quotation.\n", "An [[", "quotation"),
    "fence_never_closed": (GOOD + "\n```text\nend\n", "```text", "never closed"),
    "citation_in_a_sentence": (GOOD + "\n[CPython: Python/toy.c, `toy_add`](x) is it.\n", "[CPython: Python/toy.c, `toy_add`](x)", "alone in its paragraph"),
    "citation_of_another_file": (GOOD.replace("[CPython: Python/toy.c", "[CPython: Python/tool.c"), "[CPython", "links to Python/toy.c"),
    "claim_without_a_name": (GOOD.replace("**Claim two-and-two.**", "**Claim.**"), "**Claim", "a claim starts"),
    "crlf": (GOOD.replace("\n", "\r\n"), "# Good", "carriage return"),
    "byte_order_mark": ("\ufeff" + GOOD, "# Good", "byte order mark"),
}


class Traps(House):
    def refused(self, text, line, words):
        """The chapter is refused with file, line and words, and everything made before stays as it was."""
        self.chapter(GOOD)
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        before = self.made()
        self.chapter(text)
        self.assertNotEqual(self.tool("book/tangle.py"), 0, "the trap went unnoticed")
        self.assertRegex(self.err, rf"(?m)^book/03-toy\.md:{line}: .*({words})")
        self.assertEqual(self.made(), before)

    def test_not_utf8(self):
        self.refused(GOOD.encode().replace(b"Two and", b"Tw\xf6 and"), at(GOOD, "Two and"), "not UTF-8")

    def test_two_chapters_one_file(self):
        self.chapter("# Other\n\n```c\n<<toy/toy.c>>=\nint x;\n@\n```\n", "04-other.md")
        self.assertNotEqual(self.tool("book/tangle.py"), 0)
        self.assertRegex(self.err, r"book/04-other\.md:4: the file <<toy/toy\.c>> is defined in book/03-toy\.md:10")

    def test_two_chapters_one_name(self):
        self.chapter("# Other\n\n```c\n<<add two numbers>>=\nint x;\n@\n```\n", "04-other.md")
        self.assertNotEqual(self.tool("book/tangle.py"), 0)
        self.assertRegex(self.err, r"book/04-other\.md:4: the chunk <<add two numbers>> is defined in")


for name, (text, needle, words) in TRAPS.items():
    setattr(Traps, f"test_{name}", lambda self, t=text, n=needle, w=words: self.refused(t, at(t, n), w))


class Tangling(House):
    def test_plain_notangle_makes_the_same(self):
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        import subprocess
        plain = subprocess.run(["notangle", "-Rtoy/toy.c", self.root / "book/03-toy.md"], capture_output=True).stdout
        self.assertEqual(self.made()["tangle/toy/toy.c"], plain)
        self.assertNotIn(b"#line", plain)
        self.assertIn(b'#line 11 "book/03-toy.md"', self.made()["build/line/tangle/toy/toy.c"])

    def test_nothing_is_touched_when_nothing_changed(self):
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        times = {name: (self.root / name).stat().st_mtime_ns for name in self.made()}
        (self.root / "build/tangle.json").unlink()      # even without the stamp
        time.sleep(0.02)                                # a rewritten file would have a later time
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertEqual(self.out, "")
        self.assertEqual({name: (self.root / name).stat().st_mtime_ns for name in self.made()}, times)

    def test_prose_leaves_the_clean_files_alone(self):
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.chapter(GOOD.replace("# Good\n", "# Good\n\nMore prose.\n"))
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertEqual(self.out, "")

    def test_an_edited_file_is_made_again(self):
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        before = self.made()
        self.write("tangle/toy/toy.c", "by hand\n")
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertEqual(self.made(), before)

    def test_a_file_that_no_chapter_makes_is_removed(self):
        self.write("tangle/old/gone.c", "int x;\n")
        self.write("tests/tools/kept.py", "kept\n")
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertIn("removed tangle/old/gone.c", self.out)
        self.assertFalse((self.root / "tangle/old/gone.c").exists())
        self.assertTrue((self.root / "tests/tools/kept.py").exists())

    def test_without_noweb_it_says_so(self):
        empty = self.root / "bin"
        empty.mkdir()
        self.assertNotEqual(self.tool("book/tangle.py", PATH=str(empty)), 0)
        self.assertRegex(self.err, "notangle not found: install noweb")
        self.assertEqual(self.made(), {})

    def test_a_failing_notangle_leaves_everything(self):
        """The checker is not alone: what notangle itself refuses is not written either."""
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        before = self.made()
        self.write("bin/notangle", "#!/bin/sh\necho half a file; echo broken >&2; exit 2\n").chmod(0o755)
        self.chapter(GOOD.replace("return a + b", "return b + a"))
        self.assertNotEqual(self.tool("book/tangle.py", PATH=f"{self.root}/bin:{os.environ['PATH']}"), 0)
        self.assertRegex(self.err, "notangle -Rtoy/toy.c: broken|notangle -Rtests/check_toy.c: broken")
        self.assertEqual(self.made(), before)

    def test_check_writes_nothing(self):
        self.assertEqual(self.tool("book/tangle.py", "--check"), 0, self.err)
        self.assertEqual(self.made(), {})
        self.assertIsNotNone(shutil.which("notangle"))


if __name__ == "__main__":
    unittest.main()
