"""The museum's own mistakes: an exhibit that does not fit the port any more must say so, by name."""
import sys
import unittest

from house import ROOT

sys.path.insert(0, str(ROOT / "tests"))
import museum  # noqa: E402

TEXT = """#include <x.h>

static int
helper(int a);

int
f(int a)
{
    if (a) {        /* why */
        return 1;
    }
    return g(a,  /*deep=*/0);
}

int
h(int a)
{
    return g(a, 0);
}
"""


def exhibit(function, *lines):
    bug = museum.Bug(1)
    bug.bug, bug.file, bug.function = "an-exhibit", "x.c", function
    bug.hunk = [(line[0], line[1:]) for line in lines]
    return bug


class Apply(unittest.TestCase):
    def test_a_line_is_changed_in_the_named_function_only(self):
        changed = museum.apply(exhibit("f", "-    return g(a, 0);", "+    return g(a, 1);"), TEXT)
        self.assertIn("    return g(a, 1);\n}\n\nint\nh", changed)
        self.assertIn("h(int a)\n{\n    return g(a, 0);", changed)

    def test_lines_come_where_they_stand_in_the_difference(self):
        changed = museum.apply(exhibit("f", "     if (a) {", "+        a++;", " ...", "-    return g(a, 0);", "+    return a;"), TEXT)
        self.assertIn("    if (a) {        /* why */\n        a++;\n        return 1;\n    }\n    return a;\n}", changed)

    def test_a_difference_that_does_not_fit_is_refused_by_name(self):
        for lines in (["-    return g(a, 2);"], ["+    a++;"]):
            with self.assertRaisesRegex(museum.Broken, "an-exhibit: .*found 0 times in f of x.c"):
                museum.apply(exhibit("f", *lines), TEXT)
        with self.assertRaisesRegex(museum.Broken, "an-exhibit: .*no function helper"):
            museum.apply(exhibit("helper", "-    return 1;"), TEXT)

    def test_a_difference_that_fits_twice_is_refused(self):
        twice = TEXT.replace("        return 1;\n", "        return 1;\n        return 1;\n")
        with self.assertRaisesRegex(museum.Broken, "found 2 times"):
            museum.apply(exhibit("f", "-        return 1;"), twice)

    def test_the_exhibits_can_be_read_and_fit(self):
        bugs = museum.exhibits()
        self.assertGreaterEqual(len(bugs), 20)
        for bug in bugs:
            text = (ROOT / "tangle" / bug.file).read_text(encoding="utf-8")
            self.assertNotEqual(museum.apply(bug, text), text)


if __name__ == "__main__":
    unittest.main()
