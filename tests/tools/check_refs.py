"""The lockstep with CPython: everything that can come loose is told, with chapter and line."""
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import unittest

from house import GOOD, TOY, House


class Refs(House):
    def setUp(self):
        super().setUp()
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertEqual(self.tool("upstream-refs/refs.py", "pin"), 0, self.err)
        self.assertEqual(self.tool("upstream-refs/refs.py", "check"), 0, self.err)

    def loose(self, text, words):
        """With this chapter the check fails and says so."""
        self.chapter(text)
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertEqual(self.tool("upstream-refs/refs.py", "check"), 1, self.out)
        self.assertRegex(self.err, words)

    def test_no_such_symbol(self):
        self.loose(GOOD.replace("`toy_add`]", "`toy_sub`]"), r"book/03-toy\.md:16: .*no symbol `toy_sub`")

    def test_no_such_file(self):
        self.loose(GOOD.replace("Python/toy.c", "Python/joy.c"), r"book/03-toy\.md:16: .*no file Python/joy\.c")

    def test_wrong_lines(self):
        self.loose(GOOD.replace("#L3-L7", "#L5-L9"), r"book/03-toy\.md:16: `toy_add` is at 4-7 .* says 5-9")

    def test_lines_past_the_end(self):
        self.loose(GOOD.replace("#L3-L7", "#L3-L70"), r"book/03-toy\.md:16: .*has 19 lines")

    def test_wrong_version(self):
        self.loose(GOOD.replace("v3.13.5", "v3.12.0"), r"book/03-toy\.md:16: cites CPython 3\.12\.0")

    def test_not_pinned(self):
        self.loose(GOOD.replace("#L3-L7", "#L4-L7"), r"book/03-toy\.md:16: .*not pinned.*make pin")

    def test_more_than_the_symbol(self):
        self.cpython("3.13.5", TOY + "\nint toy_sub(int a) { return a; }\n")
        self.loose(GOOD.replace("#L3-L7", "#L3-L21"), r"take in `toy_sub`")

    def test_the_other_branch_of_a_conditional(self):
        """ctags follows one branch; a symbol that only the other has is found all the same, at its own lines."""
        self.chapter(GOOD.replace("`toy_add`](", "`TOY_OTHER`](").replace("#L3-L7", "#L18"))
        self.assertEqual(self.tool("upstream-refs/refs.py", "pin"), 0, self.err)
        self.chapter(GOOD.replace("`toy_add`](", "`toy`](").replace("#L3-L7", "#L15-L17"))
        self.assertEqual(self.tool("upstream-refs/refs.py", "pin"), 0, self.err)
        self.chapter(GOOD.replace("`toy_add`](", "`toy`](").replace("#L3-L7", "#L12-L16"))
        self.assertEqual(self.tool("upstream-refs/refs.py", "pin"), 1)
        self.assertRegex(self.err, "`toy` is at 11-13, 15-17")

    def test_rows_of_readme_and_notice(self):
        readme = "# Toy\n\n| Chapter |\n|---|\n| [3. Good](book/03-toy.md) |\n\nRun `make test`.\n"
        notice = "| File |\n|---|\n| `tangle/toy/toy.c` | nothing |\n"
        self.write("Makefile", "test:\n")
        for name, text, finding in (
                ("README.md", readme.replace("book/03-toy.md", "book/03-joy.md"), r"README\.md:5: the link leads to book/03-joy\.md.*\nREADME\.md:5: no row for book/03-toy\.md: add \| \[3\. Good\]"),
                ("README.md", readme.replace("make test", "make tset"), r"README\.md:7: make tset: no such target"),
                ("NOTICE.md", notice.replace("toy.c", "joy.c"), r"NOTICE\.md:3: no row names tangle/toy/toy\.c: add it.*\nNOTICE\.md:3: no chapter makes tangle/toy/joy\.c")):
            self.write("README.md", readme)
            self.write("NOTICE.md", notice)
            self.assertEqual(self.tool("upstream-refs/refs.py", "check"), 0, self.err)
            self.write(name, text)
            self.assertEqual(self.tool("upstream-refs/refs.py", "check"), 1)
            self.assertRegex(self.err, finding)

    def test_altered_excerpt(self):
        self.cpython("3.13.5", TOY.replace("b + a", "b - a"))
        self.loose(GOOD, r"book/03-toy\.md:16: the excerpt .* differs from its pinned sha256")

    def test_altered_file(self):
        self.cpython("3.13.5", TOY.replace("TOY_LIMIT 7", "TOY_LIMIT 8"))
        self.loose(GOOD, r"book/03-toy\.md:16: Python/toy\.c differs from its pinned sha256")

    def test_pinned_and_cited_nowhere(self):
        pins = self.root / "upstream-refs/pins/3.13.5.json"
        kept = json.loads(pins.read_text())
        kept["excerpts"]["Python/toy.c#L9-L9"] = {"symbols": ["TOY_LIMIT"], "sha256": "0"}
        pins.write_text(json.dumps(kept))
        self.loose(GOOD, r"Python/toy\.c#L9-L9 is pinned and cited nowhere")

    def test_reference_that_is_not_in_the_bibliography(self):
        self.write("book/references.yaml", "references:\n- id: knuth1984\n")
        self.chapter(GOOD + "\nKnuth [-@knuth1984] says so; `[-@code]` cites nothing.\n\n```text\n[-@shown]\n```\n")
        self.assertEqual(self.tool("upstream-refs/refs.py", "check"), 0, self.err)
        self.loose(GOOD + "\nKnuth says so\n[see @knuth1948, p. 3].\n", r"book/03-toy\.md:36: @knuth1948 is no entry of book/references\.yaml: did you mean @knuth1984\?")
        self.loose(GOOD + "\nWrite to @nobody.\n", r"book/03-toy\.md:35: @nobody is no entry .*: add it there, or write \\@ for a plain at-sign")

    def test_chunk_that_cites_nothing(self):
        self.loose(GOOD + "\n```c\n<<toy/more.c>>=\nint more;\n@\n```\n", r"book/03-toy\.md:36: chunk <<toy/more\.c>> of the port cites nothing")

    def test_chunk_marked_as_ours(self):
        self.chapter(GOOD + "\n**Ours.** CPython has no more.\n\n```c\n<<toy/more.c>>=\nint more;\n@\n```\n")
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertEqual(self.tool("upstream-refs/refs.py", "check"), 0, self.err)

    def test_chapter_that_ports_nothing_needs_no_mark(self):
        self.chapter("# Other\n\n> **Covers.** A tool of ours.\n>\n> **Needs.** Nothing.\n\n```c\n<<toy/more.c>>=\nint more;\n@\n```\n", name="04-other.md")
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertEqual(self.tool("upstream-refs/refs.py", "check"), 0, self.err)

    def test_symbol_neither_cited_nor_excused(self):
        self.write("upstream-refs/ledger.toml", '["Python/toy.c"]\nport = ["toy/toy.c"]\n')
        self.loose(GOOD, r"Python/toy\.c:9: upstream's `TOY_LIMIT` is neither cited nor in")

    def test_excused_symbol_that_is_gone(self):
        self.write("upstream-refs/ledger.toml", '["Python/toy.c"]\nport = ["toy/toy.c"]\ndropped = {TOY_LIMIT = "x", TOY_OTHER = "x", toy = "x", TOY_OLD = "y"}\n')
        self.loose(GOOD, r"`TOY_OLD` is excused")

    def test_excused_without_a_reason(self):
        self.write("upstream-refs/ledger.toml", '["Python/toy.c"]\nport = ["toy/toy.c"]\ndropped = {TOY_LIMIT = " ", TOY_OTHER = "x", toy = "x"}\n')
        self.loose(GOOD, r"`TOY_LIMIT` is dropped without a reason")

    def test_ledger_that_is_no_toml(self):
        self.write("upstream-refs/ledger.toml", "port =\n")
        self.loose(GOOD, r"upstream-refs/ledger\.toml: ")

    def test_port_that_no_chapter_makes(self):
        self.write("upstream-refs/ledger.toml", '["Python/toy.c"]\nport = ["toy/joy.c"]\ndropped = {TOY_LIMIT = "x", TOY_OTHER = "x", toy = "x"}\n')
        self.loose(GOOD, r"ported as toy/joy\.c, which no chapter makes")

    def test_function_without_a_test(self):
        self.loose(GOOD.replace("{ return a + b; }", "{ return a + b; }\nint toy_twice(int a) { return 2 * a; }"),
                   r"book/03-toy\.md:21: `toy_twice` of tangle/toy/toy\.c is named in no test chunk")

    def test_claim_without_a_test(self):
        self.loose(GOOD + "\n**Claim the-order-is-free.** It is commutative.\n", r"book/03-toy\.md:35: claim the-order-is-free has no test: a CLAIM_TEST\(test_the_order_is_free\)")

    def test_two_claims_of_one_name(self):
        self.loose(GOOD + "\n**Claim two-and-two.** It is commutative.\n", r"book/03-toy\.md:26: claim two-and-two is made in book/03-toy\.md:35 too")

    def test_test_without_a_claim(self):
        self.loose(GOOD.replace("**Claim two-and-two.** Two and two", "Two and two"), r"book/03-toy\.md:29: test_two_and_two stands under no claim")

    def test_test_of_two_claims(self):
        again = GOOD[GOOD.index("```c\n<<tests/check_toy.c>>="):]
        self.loose(GOOD + "\n**Claim the-order-is-free.** It is commutative.\n\n" + again, r"test_two_and_two is a test of claim two-and-two already")

    def test_test_that_no_suite_runs(self):
        self.loose(GOOD.replace("<<tests/check_toy.c>>", "<<tests/toy.c>>"), r"test_two_and_two is in no suite")

    def test_pair_that_says_nothing_of_itself(self):
        self.loose(GOOD.replace("**Differs.** The order", "The order"), r"book/03-toy\.md:24: the pair above says nothing of itself: go on with \*\*Differs")

    def test_what_a_chapter_needs(self):
        self.loose(GOOD.replace("> **Needs.** Nothing before it.\n", ""), r"book/03-toy\.md:1: the head has no > \*\*Needs")
        self.chapter("# Before\n\n> **Needs.** Nothing.\n\n```c\n<<toy/before.h>>=\nint before;\n@\n```\n", "02-before.md")
        used = GOOD.replace("int toy_add(int a, int b);\n", '#include "toy/before.h"\nint toy_add(int a, int b);\n', 1)
        self.loose(used, r'book/03-toy\.md:5: the code includes "toy/before\.h" of chapter 2: it belongs in Needs')
        self.loose(used.replace("Nothing before it.", "[2](02-before.md), [7](07-after.md)"), r"book/03-toy\.md:5: chapter 7 comes later: a chapter cannot need it")
        self.assertNotIn("toy/before.h", self.err)

    def test_a_chapter_that_is_too_long(self):
        self.loose(GOOD + "\nA line.\n" * 1000, r"book/03-toy\.md:1: 20\d\d lines without its tests, more than 2000: split it")
        self.loose(GOOD + "\n" + "word " * 14000 + "\n", r"book/03-toy\.md:1: 6\d minutes to read, more than 60: split it")

    def test_whose_a_chunk_is(self):
        """Below its citation, CPython's; behind a heading, or anywhere in a chapter that ports nothing but right beside a citation, nobody's."""
        code = "import sys; sys.path[:0] = ['book']; import chapters; book = chapters.load(); " \
               "print([getattr(d.cited, 'path', d.cited) for c in book.chapters for d in c.definitions if book.role(d.name) == 'port'])"
        ours = GOOD.replace("> **Ports.** `Python/toy.c`\n>\n", "").replace("**Differs.**", "Not ours.\n\n```c\n<<toy/more.c>>=\nint more;\n@\n```\n\nDiffers.")
        for text, wanted in ((GOOD, ["ours", "Python/toy.c"]), (GOOD.replace("\n```c\n<<add", "\n## More\n\n```c\n<<add"), ["ours", None]), (ours, [None, "Python/toy.c", None])):
            self.chapter(text)
            said = subprocess.run([sys.executable, "-c", code], cwd=self.root, capture_output=True, text=True, check=True).stdout
            self.assertEqual(said.strip(), str(wanted))

    def test_counts(self):
        self.assertEqual(self.tool("upstream-refs/refs.py", "counts"), 0, self.err)
        self.assertRegex(self.out, r"(?m)^3 Good +\d+ +\d+ +3 +5 +2 +\d+$")

    def test_pin_refuses_a_wrong_citation(self):
        self.chapter(GOOD.replace("#L3-L7", "#L5-L9"))
        self.assertEqual(self.tool("upstream-refs/refs.py", "pin"), 1)
        self.assertRegex(self.err, r"book/03-toy\.md:16: `toy_add` is at")

    def test_tree_of_the_wrong_version(self):
        self.cpython("3.12.1")
        self.assertEqual(self.tool("upstream-refs/refs.py", "check"), 1)
        self.assertRegex(self.err, r"is CPython 3\.12\.1; the book cites 3\.13\.5")

    def test_no_tree(self):
        self.assertEqual(self.tool("upstream-refs/refs.py", "check", CPYTHON=""), 1)
        self.assertRegex(self.err, r"no CPython 3\.13\.5 source here: run make upstream")

    def test_no_ctags(self):
        self.assertEqual(self.tool("upstream-refs/refs.py", "check", PATH="/nowhere"), 1)
        self.assertRegex(self.err, r"ctags not found: install universal-ctags")

    def test_drift(self):
        """A body that changed, a symbol that is gone and one that is new, each under its chapter or file."""
        other = self.cpython("3.14.0", TOY.replace("b + a", "b - a").replace("TOY_LIMIT", "TOY_MOST"), "other")
        self.assertEqual(self.tool("upstream-refs/refs.py", "drift", other), 0, self.err)
        self.assertRegex(self.out, r"from CPython 3\.13\.5 to 3\.14\.0")
        self.assertRegex(self.out, r"changed body +Python/toy\.c +toy_add")
        self.assertRegex(self.out, r"new +TOY_MOST(.|\n)*gone +TOY_LIMIT")

    def test_no_drift(self):
        self.assertEqual(self.tool("upstream-refs/refs.py", "drift", self.cpython("3.13.5", place="other")), 0, self.err)
        self.assertRegex(self.out, r"1 cited symbols, 1 as they were")


# A chapter with a ledger: one pair, a relaxed load, a row without a tag; and a test of the pair's in tests/litmus/.
ORDERED = GOOD.replace("int toy_add(int a, int b) { return a + b; }", """int toy_add(int a, int b)
{
    _Py_atomic_store_int_release(&toy, a);      /* [A1] */
    (void)_Py_atomic_compare_exchange_uint8(&full, &seen,
                                            0);     /* [A2] */
    return _Py_atomic_load_int_relaxed(&toy) + b;   /* [A3] */
}""") + """
| tag | operation | order | needed | pairs with | if weakened |
|---|---|---|---|---|---|
| A1 | `store` of the sum | release | release | A2 | nobody sees it |
| A2 | `compare_exchange` | seq_cst | acquire | A1 | the same |
| A3 | `load` | relaxed | relaxed | nothing | nothing |
| | the rest | plain | | | |

```c
<<tests/litmus/toy.litmus>>=
C toy
P0 (atomic_int* x) {
    atomic_store_explicit(x, 1, memory_order_release);      /* [A1] */
}
@
```
"""


class Orders(House):
    """The ledgers of memory orders against the code and the litmus tests."""

    def setUp(self):
        super().setUp()
        self.found(ORDERED)

    def found(self, text, *words):
        self.chapter(text)
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertEqual(self.tool("upstream-refs/refs.py", "pin"), 0, self.err)
        self.assertEqual(self.tool("upstream-refs/refs.py", "check"), 1 if words else 0, self.err)
        for word in words:
            self.assertRegex(self.err, word)

    def changed(self, old, new, *words):
        self.assertEqual(ORDERED.count(old), 1)
        self.found(ORDERED.replace(old, new), *words)

    def test_another_order_in_the_code(self):
        self.changed("_Py_atomic_store_int_release(", "_Py_atomic_store_int(",
                     r"book/03-toy\.md:22: \[A1\] is seq_cst here, and in its ledger \(book/03-toy\.md:43\) release: mend")
        self.changed("_Py_atomic_store_int_release(", "_Py_atomic_store_int_relaxed(", r"book/03-toy\.md:22: \[A1\] is relaxed here")

    def test_a_strong_operation_made_weaker(self):
        self.changed("_Py_atomic_compare_exchange_uint8(", "_Py_atomic_compare_exchange_uint8_acquire(",
                     r"book/03-toy\.md:23: \[A2\] is acquire here, and in its ledger \(book/03-toy\.md:44\) seq_cst")

    def test_a_weakened_copy_of_the_port(self):
        """Whoever changes tangle/ alone is told too, at the chapter's line."""
        file = self.root / "tangle/toy/toy.c"
        file.write_text(file.read_text().replace("_int_release(", "_int_relaxed("))
        self.assertEqual(self.tool("upstream-refs/refs.py", "check"), 1)
        self.assertRegex(self.err, r"book/03-toy\.md:22: \[A1\] is relaxed here")

    def test_another_operation(self):
        self.changed("_Py_atomic_store_int_release(&toy, a)", "_Py_atomic_fence_release()",
                     r"book/03-toy\.md:22: \[A1\] is a fence here, and in its ledger .* store", r"book/03-toy\.md:43: \[A1\] stands beside no store of the code")

    def test_a_tag_that_has_left_its_operation(self):
        self.changed("_Py_atomic_store_int_release(&toy, a); ", "toy = a;", r"book/03-toy\.md:22: \[A1\] stands beside no atomic operation")
        self.changed("0);     /* [A2] */", "0);\n    /* [A2] */", r"book/03-toy\.md:25: \[A2\] stands beside no atomic operation")

    def test_a_tag_in_the_ledger_and_nowhere_in_code(self):
        self.changed("0);     /* [A2] */", "0);", r"book/03-toy\.md:44: \[A2\] stands beside no compare_exchange of the code")

    def test_a_tag_in_code_and_in_no_ledger(self):
        self.changed("| A3 | `load` | relaxed | relaxed | nothing | nothing |\n", "", r"book/03-toy\.md:25: \[A3\] is in no ledger: give it a row")

    def test_a_weaker_operation_without_a_tag(self):
        self.changed("+ b;   /* [A3] */", "+ b;", r"book/03-toy\.md:25: load is relaxed, which is weaker than seq_cst, and has no tag")

    def test_a_tag_that_only_the_text_knows(self):
        self.found(ORDERED + "\nThe look [A3] decides nothing; `[A7]` is code.\n")
        self.found(ORDERED + "\nThe look\n[A1, A9] decides nothing.\n", r"book/03-toy\.md:58: the text names \[A9\], which no ledger has")

    def test_a_tag_of_two_rows(self):
        self.changed("| A3 | `load` |", "| A1 | `load` |", r"book/03-toy\.md:45: the tag \[A1\] is book/03-toy\.md:43's already")

    def test_around_the_header(self):
        self.changed("return _Py", "__atomic_store_n(&toy, 1, 0); return _Py", r"book/03-toy\.md:25: __atomic_store_n goes around host/pyatomic\.h")

    def test_the_header_itself(self):
        header = "\n**Ours.** Atomics.\n\n```c\n<<host/pyatomic.h>>=\n#define FAMILY(NAME, T) \\\nstatic T _Py_atomic_load_##NAME##_acquire(T *obj) \\\n" \
            "{ return __atomic_load_n(obj, __ATOMIC_ACQUIRE); }\n@\n```\n"
        self.found(ORDERED + header)
        self.found(ORDERED + header.replace("ATOMIC_ACQUIRE", "ATOMIC_RELAXED"), r"book/03-toy\.md:\d+: _Py_atomic_load_\w+ asks for relaxed; its name says acquire")

    def test_a_row_that_cannot_be(self):
        self.changed("| tag | operation | order | needed |", "| tag | operation | order |", r"book/03-toy\.md:41: a ledger has the columns tag \| operation")
        self.changed("| relaxed | relaxed | nothing | nothing |", "| relaxed | nothing |", r"book/03-toy\.md:45: a ledger's row has 6 cells, this one 4")
        self.changed("| seq_cst | acquire |", "| strong | acquire |", r"book/03-toy\.md:44: \[A2\] has the order 'strong': it is one of")
        self.changed("| release | release |", "| release | seq_cst |", r"book/03-toy\.md:43: \[A1\] needs seq_cst and is release")
        self.changed("| `compare_exchange` |", "| the exchange |", r"book/03-toy\.md:44: \[A2\] names no operation")
        self.changed("| acquire | A1 | the same |", "| acquire | A1 | nothing |", r"book/03-toy\.md:44: \[A2\] needs acquire and nothing happens")
        self.changed("| acquire | A1 | the same |", "| acquire | A1, A9 | the same |", r"book/03-toy\.md:44: \[A2\] pairs with \[A9\], which no ledger has")
        self.changed("| acquire | A1 | the same |", "| acquire | nothing | the same |", r"\[A2\] needs acquire and pairs with nothing",
                     r"book/03-toy\.md:43: \[A1\] pairs with \[A2\], whose row .* does not name it")

    def test_a_litmus_test_of_another_order(self):
        self.changed("x, 1, memory_order_release", "x, 1, memory_order_seq_cst",
                     r"book/03-toy\.md:52: \[A1\] is seq_cst here, and in its ledger \(book/03-toy\.md:43\) release")
        self.changed(";      /* [A1] */\n}\n@", ";\n}\n@", r"book/03-toy\.md:50: no operation of this test has a tag")

    def test_an_order_that_no_litmus_test_shows(self):
        fence = ORDERED.replace("return _Py", "_Py_atomic_fence_acquire();   /* [A4] */ return _Py")
        row = "| A4 | `fence` | acquire | acquire | A1 | the same |\n"
        self.found(fence.replace("| | the rest", row + "| | the rest").replace("| A2 | nobody", "| A2, A4 | nobody").replace("/* [A4] */ return", "/* [A4] */\n    return"),
                   r"book/03-toy\.md:47: \[A4\] needs acquire, and no litmus test shows it")


class Fetch(House):
    """The archive: pinned, checked, refused. No network is asked: apt-get is the test's own, the release behind a dead proxy."""

    def archive(self, version="3.13.5"):
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w:xz") as tar:
            for name, text in {"Include/patchlevel.h": f'#define PY_VERSION "{version}"\n', "Python/toy.c": TOY}.items():
                info = tarfile.TarInfo(f"Python-{version}/{name}")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
        return made.getvalue()

    def fetch(self, apt="exit 1"):
        self.write("bin/apt-get", f"#!/bin/sh\n{apt}\n").chmod(0o755)
        path = f"{self.root}/bin:/usr/bin:/bin"
        dead = "http://127.0.0.1:9"
        return self.tool("upstream-refs/fetch.py", PATH=path, CPYTHON="", https_proxy=dead, HTTPS_PROXY=dead)

    def pinned(self, data, files=()):
        self.write("upstream-refs/pins/3.13.5.json", json.dumps({"archive": {"sha256": hashlib.sha256(data).hexdigest()},
                                                                  "files": dict(files), "excerpts": {}}))

    @property
    def kept(self):
        return self.root / "build/upstream/cpython-3.13.5.tar.xz"

    @property
    def tree(self):
        return self.root / "build/upstream/cpython-3.13.5"

    def test_a_kept_archive_serves(self):
        self.pinned(self.archive())
        self.write(self.kept.relative_to(self.root), self.archive())
        self.assertEqual(self.fetch(), 0, self.err)
        self.assertEqual((self.tree / "Python/toy.c").read_text(), TOY)

    def test_a_truncated_archive_is_refused_and_removed(self):
        self.pinned(self.archive())
        self.write(self.kept.relative_to(self.root), self.archive()[:-20])
        self.assertEqual(self.fetch(), 1)
        self.assertRegex(self.err, r"truncated or altered: sha256 .* removed")
        self.assertFalse(self.kept.exists())
        self.assertFalse(self.tree.exists())

    def test_debian_serves_it(self):
        """Our apt-get answers as the real one: the archive's address, an index, the source."""
        data = self.archive()
        self.pinned(data)
        source = self.write("mirror/python3.13_3.13.5.orig.tar.xz", data)
        self.assertEqual(self.fetch(f'case "$*" in *indextargets*) echo "file:/debian/ Debian Debian";; *source*) cp {source} .;; esac'), 0, self.err)
        self.assertTrue(self.tree.is_dir())

    def test_another_archive_from_debian_is_refused(self):
        self.pinned(self.archive())
        source = self.write("mirror/python3.13_3.13.5.orig.tar.xz", self.archive("3.13.6"))
        self.assertEqual(self.fetch(f'case "$*" in *indextargets*) echo "file:/debian/ Debian Debian";; *source*) cp {source} .;; esac'), 1)
        self.assertRegex(self.err, "truncated or altered")

    def test_no_network(self):
        self.pinned(self.archive())
        self.assertEqual(self.fetch(), 1)
        self.assertRegex(self.err, r"could not be had; the book weaves without it")

    def test_an_altered_copy_is_unpacked_again(self):
        self.pinned(self.archive(), {"Python/toy.c": hashlib.sha256(TOY.encode()).hexdigest()})
        self.write(self.kept.relative_to(self.root), self.archive())
        self.assertEqual(self.fetch(), 0, self.err)
        (self.tree / "Python/toy.c").write_text("altered\n")
        self.assertEqual(self.fetch(), 0, self.err)
        self.assertEqual((self.tree / "Python/toy.c").read_text(), TOY)

    def test_a_tree_of_the_wrong_version(self):
        self.cpython("3.12.1")
        self.pinned(b"")
        self.assertEqual(self.tool("upstream-refs/fetch.py"), 1)
        self.assertRegex(self.err, r"is CPython 3\.12\.1; the book cites 3\.13\.5")
        self.assertTrue(pathlib.Path(self.root / "cpython").is_dir())


if __name__ == "__main__":
    unittest.main()
