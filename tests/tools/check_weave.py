"""What the weaver computes for the pages by itself: the marks inside a pair, the cutting of long chapters, what is loaded on demand."""
import pathlib
import sys
import threading
import unittest
import urllib.request
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "book/weave"), str(ROOT / "book")]
sys.dont_write_bytecode = True
import pages  # noqa: E402
import pairs  # noqa: E402
import serve  # noqa: E402
import weave  # noqa: E402


def marked(left, right, **inner):
    """The marked words of either side of a pair."""
    chunks = {"right": {"defs": [{"id": "c-right", "body": right.split("\n")}]}}
    chunks |= {name: {"defs": [{"id": f"c-{name}", "body": body.split("\n")}]} for name, body in inner.items()}
    found = pairs.marks([{"upstream": [["url", 1]], "port": ["c-right"]}], {"url": {"text": left}}, chunks)
    def words(key, text):
        lines = text.encode().split(b"\n")
        return [lines[line - 1][first - 1:last].decode() for line, spans in sorted(found.get(key, {}).items()) for first, last in spans]
    return words("url 1", left), words("c-right", right)


class Marks(unittest.TestCase):
    def test_same_code_has_no_marks_whatever_its_comments_and_spaces(self):
        self.assertEqual(marked("int f(int a)\n{ // one\n    return a;\n}", "/* two */\nint\nf(int a) {\n  return a; }"), ([], []))

    def test_a_changed_word_is_marked_on_both_sides(self):
        self.assertEqual(marked("int f(int a) { return a + 1; }", "int f(int a) { return a + 2; }"), (["1"], ["2"]))

    def test_an_added_statement_is_marked_whole(self):
        self.assertEqual(marked("int f(void) { go(1, 2); return 0; }", "int f(void) { go(1, 2); stop(); return 0; }"), ([], ["stop();"]))

    def test_two_different_texts_have_no_marks(self):
        self.assertEqual(marked("int f(void) { return 1; }", "struct s { char *name; long size; double weight; };"), ([], []))

    def test_braces_alone_are_no_difference(self):
        self.assertEqual(marked("if (a) return b;", "if (a) { return b; }"), ([], []))

    def test_a_reference_stands_for_its_chunk(self):
        self.assertEqual(marked("int f(void)\n{\n    go(1, 2);\n    return 0;\n}", "int f(void)\n{\n    <<go>>\n    return 0;\n}", go="go(1, 2);"), ([], []))

    def test_columns_are_bytes(self):
        self.assertEqual(marked('say("é", one);', 'say("é", two);'), (["one"], ["two"]))

    def test_escaped_brackets_are_shifts(self):
        self.assertEqual(marked("x = 1 << 2;", "x = 1 @<< 2;"), ([], []))


class Cut(unittest.TestCase):
    def setUp(self):
        filler = "<p>" + "x" * (pages.LIMIT // 3) + "</p>\n"
        self.body = "".join(f'<h2 id="s{i}">Section {i}</h2>\n{filler}<p><sup id="ref-{i}"></sup></p>\n' for i in range(1, 6))
        self.body += '<div class="footnotes"><p>Notes</p><ol>' + "".join(f'<li><div id="note-{i}">{i}</div></li>' for i in range(1, 6)) + "</ol></div>"
        self.pages = pages.cut("long", self.body)

    def test_a_short_body_is_one_page_as_it_is(self):
        self.assertEqual([page.body for page in pages.cut("short", "<p>a</p>")], ["<p>a</p>"])

    def test_no_page_is_over_the_limit_and_nothing_is_lost(self):
        self.assertGreater(len(self.pages), 1)
        for page in self.pages:
            self.assertLess(len(page.body), pages.LIMIT)
        for i in range(1, 6):
            self.assertEqual(sum(f'id="s{i}"' in page.body for page in self.pages), 1)

    def test_a_note_stands_on_the_page_of_its_mark(self):
        for page in self.pages:
            for i in range(1, 6):
                self.assertEqual(f'id="ref-{i}"' in page.body, f'id="note-{i}"' in page.body)

    def test_links_find_the_page_of_their_target(self):
        home = pages.homes(self.pages)
        last = self.pages[-1]
        self.assertEqual(pages.relink('<a href=#s5>', self.pages[0], home), f"<a href={last.name}.html#s5>")
        self.assertEqual(pages.relink('<a href="long.html#s5">', last, home), '<a href="#s5">')
        self.assertEqual(pages.relink('<a href=other.html#s5>', last, home), '<a href=other.html#s5>')


class OnDemand(unittest.TestCase):
    def test_a_body_on_another_page_brings_what_it_refers_to(self):
        figure = '<figure class="code port" id={}><figcaption class=bar><code>n</code></figcaption><pre><code>{}</code></pre></figure>'
        found = pages.far_bodies({"a": figure.format("c-one", "<a class=ref href=b.html#c-two>t</a>"),
                                  "b": figure.format("c-two", "x <a class=ref href=#c-three>t</a>") + figure.format("c-two-2", "y") + figure.format("c-three", "z") + figure.format("c-four", "w")})
        self.assertEqual(found, {"b": {"c-two": ["x <a class=ref href=b.html#c-three>t</a>", "y"], "c-three": ["z"]}})

    def test_search_knows_prose_and_code_of_a_section(self):
        self.assertEqual(pages.sections("p", '<h2 id="s">A <i>b</i><a class="permalink" href="#s">#</a></h2><p>One &amp; two</p><pre><code>a &lt; <b>b</b></code></pre>'),
                         [["p", "s", "A b", "One & two", "a < b"]])


class Reports(unittest.TestCase):
    def test_two_pictures_on_a_page_share_no_id(self):
        svg = """<g id="a"/><use xlink:href='#a' id='b' fill="#fff"/><rect fill="url(#b)"/>"""
        self.assertEqual(weave.own_ids("x.svg", svg), """<g id="x-a"/><use xlink:href='#x-a' id='x-b' fill="#fff"/><rect fill="url(#x-b)"/>""")


class Serve(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        (pathlib.Path(folder.name) / "index.html").write_text("<body>page</body>", encoding="utf-8")
        self.house = serve.House()
        self.server = serve.Server(("127.0.0.1", 0), serve.functools.partial(serve.Handler, house=self.house, directory=folder.name))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def test_a_page_listens_for_changes(self):
        page = urllib.request.urlopen(self.address + "/", timeout=10).read().decode()
        self.assertIn("page<script>", page)
        self.assertIn("/-/events", page)

    def test_what_stops_the_weaving_is_told_to_pages_opened_later_too(self):
        self.house.tell("trouble", "book/x.md:1: no")
        with urllib.request.urlopen(self.address + "/-/events", timeout=10) as events:
            self.assertEqual([events.readline(), events.readline()], [b"event: trouble\n", b'data: "book/x.md:1: no"\n'])
            while not self.house.listeners:
                pass
            self.house.tell("woven", ["index.html"])
            events.readline()
            self.assertEqual([events.readline(), events.readline()], [b"event: woven\n", b'data: ["index.html"]\n'])


if __name__ == "__main__":
    unittest.main()
