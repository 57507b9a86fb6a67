"""The mutants of the port: its C, each with one small change; and those that are argued to be no mistakes.

Each mutant is one change, of one of these kinds; a kind is here because a slip of that kind has been made somewhere:

  relation    < <= > >= == != with its neighbour: off by one, the wrong way round
  operator    + - * / % << >> & | ^ ++ -- and their assignments: wrong arithmetic, a wrong bit
  logic       && for ||, and the reverse; a ! left out
  condition   an if that always or never holds, a while that never does, a choice ?: turned round
  constant    a number in code, in a #define or in an enum: one more; 1 is also made 0
  statement   left out: a call (so each lock, unlock, wake-up and free), an assignment, a jump
  return      another value: 0, or 1 for what was 0 or NULL (the expression is still evaluated)
  order       a memory order made relaxed, an atomic replaced by its relaxed namesake, a fence left out

A condition that is negated is not tried: what notices that it always, or never, holds notices that as well. Asserts and
messages are left alone.
"""
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book"))
import chapters  # noqa: E402

ROOMS = ("arena", "hash", "host", "pysync", "pythread")
TOKEN = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|^[ \t]*\#(?:\\\n|[^\n])*|[A-Za-z_]\w*|\d\w*
                       |<<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\S""", re.S | re.M | re.X)
BINARY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "+": "-", "-": "+", "*": "/", "/": "*", "%": "/",
          "<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "&", "&&": "||", "||": "&&", "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=",
          "^=": "|=", "<<=": ">>=", ">>=": "<<=", "*=": "+="}
RELATIONS, EQUAL = ("<", "<=", ">", ">=", "==", "!="), ("==", "!=", "!")
ORDERS = re.compile(r"__ATOMIC_(?!RELAXED)\w+$")
ATOMIC = re.compile(r"_Py_atomic_(?:load|store)_[a-z]+\d*(?:_[a-z]+)?$")
DECLARES = re.compile(r"(?:const |volatile |struct |enum |unsigned |_Thread_local )*(?!goto )[A-Za-z_]\w*(?: \**| ?\*+ ?)[A-Za-z_]\w*\s*(?:[=;,\[]|$)")
SILENT = ("assert", "static_assert", "_Static_assert", "Py_BUILD_ASSERT", "Py_UNREACHABLE", "static")


class Broken(Exception):
    """What is wrong with the tool's input, told to the one who runs it."""


def plain(line):
    """A line of C without its comments and spacing."""
    return re.sub(r"\s+", "", re.sub(r"/\*.*?\*/|//.*", "", line))


class Mutant:
    """One change of a file: text[start:end] becomes `new`. `since` is the first line of its statement."""

    def __init__(self, file, text, function, kind, start, end, new, since):
        self.file, self.function, self.kind, self.start, self.end = file, function, kind, start, end
        self.new = new + "\n" * (text.count("\n", start, end) - new.count("\n"))      # the lines below stay where they are
        self.line = text.count("\n", 0, start) + 1
        self.lines = set(range(since, text.count("\n", 0, end) + 2))
        first, last = text.rfind("\n", 0, start) + 1, text.index("\n", end)
        self.text = text[first:text.index("\n", start)].strip()
        self.becomes = (text[first:start] + self.new + text[end:last]).split("\n")[0].strip()
        self.chapter, self.at, self.argued = 0, f"tangle/{file}:{self.line}", ""

    def name(self):
        return f"{self.file}: {self.function}: {self.text} -> {self.becomes} ({self.nth})"


class File:
    """The mutants of one file's text."""

    def __init__(self, name, text):
        self.name, self.text, self.found, self.function = name, text, [], ""
        self.walk(self.tokens(0, len(text)))
        seen = {}
        for mutant in self.found:
            key = (mutant.function, mutant.text, mutant.becomes)
            mutant.nth = seen[key] = seen.get(key, 0) + 1

    def tokens(self, start, end):
        return [(m.start(), m.end(), m.group().strip()) for m in TOKEN.finditer(self.text, start, end) if not m.group().startswith(("//", "/*"))]

    def add(self, kind, start, end, new, since):
        self.found.append(Mutant(self.name, self.text, self.function, kind, start, end, new, since))

    def line(self, at):
        return self.text.count("\n", 0, at) + 1

    def walk(self, tokens):
        """The functions, the numbers in macros and enums."""
        k = 0
        while k < len(tokens):
            start, end, word = tokens[k]
            define = re.match(r"[ \t]*#\s*define\s+(\w+)(?:\([^)]*\))?[ \t\\\n]+(?=\S)", self.text[start:end])
            if define:
                self.function = define.group(1)
                self.within(self.tokens(start + define.end(), end), self.line(start))
            elif word == "enum" and "{" in [t[2] for t in tokens[k:k + 3]]:
                k = next(n for n in range(k, k + 3) if tokens[n][2] == "{")
                shut = self.close(tokens, k)
                self.function = "enum"
                self.within(tokens[k:shut], self.line(start))
                k = shut
            elif word == "{" and not tokens[k - 1][2].startswith('"'):      # extern "C" { holds all of a header
                shut = self.close(tokens, k)
                if tokens[k - 1][2] == ")":
                    self.function = tokens[self.opening(tokens, k - 1) - 1][2]
                    self.statements(tokens[k + 1:shut])
                k = shut
            k += 1

    @staticmethod
    def close(tokens, i):
        depth = 0
        for k in range(i, len(tokens)):
            depth += (tokens[k][2] in ("(", "{")) - (tokens[k][2] in (")", "}"))
            if not depth:
                return k
        raise Broken(f"a bracket is never closed: {tokens[i]}")

    @staticmethod
    def opening(tokens, i):
        depth = 0
        for k in range(i, -1, -1):
            depth += (tokens[k][2] == ")") - (tokens[k][2] == "(")
            if not depth:
                return k
        raise Broken(f"a bracket is never opened: {tokens[i]}")

    def within(self, tokens, since, but=()):
        """What can be changed in any expression; `but` says which tokens to leave alone."""
        for k, (start, end, word) in enumerate(tokens):
            number = re.match(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)$", word)
            if word in but:
                continue
            if word in BINARY and self.text[start - 1] in " \n" and self.text[end] in " \n":
                kind = "relation" if word in RELATIONS else "logic" if word in ("&&", "||") else "operator"
                self.add(kind, start, end, BINARY[word], since)
            elif word in ("++", "--"):
                self.add("operator", start, end, "--" if word == "++" else "++", since)
            elif word == "!":
                self.add("logic", start, end, "", since)
            elif word == "?":
                self.add("condition", start, end, "|| 1 ?", since)
                self.add("condition", start, end, "&& 0 ?", since)
            elif number:
                value = int(number.group(1), 8 if re.match(r"0\d", word) else 0)
                for other in (value + 1, 0) if value == 1 else (value + 1,):
                    self.add("constant", start, end, f"{other}{number.group(2)}", since)
            elif ORDERS.match(word):
                self.add("order", start, end, "__ATOMIC_RELAXED", since)
            elif ATOMIC.match(word) and not word.endswith("_relaxed"):
                self.add("order", start, end, re.sub("_(?:acquire|release)$", "", word) + "_relaxed", since)

    def statements(self, tokens):
        k = 0
        while k < len(tokens):
            start, _, word = tokens[k]
            since = self.line(start)
            if word in ("if", "while", "for", "switch"):
                shut = self.close(tokens, k + 1)
                self.condition(word, tokens[k + 2:shut], since)
                k = shut + 1
            elif word in ("{", "}", ";", "else", "do") or word.startswith("#"):
                k += 1
            elif word in ("case", "default") or tokens[k + 1][2] == ":":
                k = next(n for n in range(k, len(tokens)) if tokens[n][2] == ":") + 1
            else:
                stop = depth = 0
                for stop in range(k, len(tokens)):
                    depth += (tokens[stop][2] in ("(", "{", "[")) - (tokens[stop][2] in (")", "}", "]"))
                    if tokens[stop][2] == ";" and not depth:
                        break
                self.statement([t for t in tokens[k:stop] if not t[2].startswith("#")], since)
                k = stop + 1

    def condition(self, word, inner, since):
        words = [t[2] for t in inner]
        if word in ("if", "while") and words not in (["0"], ["1"]):
            start, end = inner[0][0], inner[-1][1]
            for value in ("1", "0")[word == "while":]:
                self.add("condition", start, end, f"(({self.text[start:end]}), {value})", since)
            self.within(inner, since, () if {"&&", "||"} & set(words) else EQUAL)
        elif word != "while":
            self.within(inner, since)

    def statement(self, tokens, since):
        word, start, end = tokens[0][2], tokens[0][0], tokens[-1][1]
        if word in SILENT or [t[2] for t in tokens[:3]] == ["(", "void", ")"] and len(tokens) == 4:
            return
        if word == "return" and len(tokens) > 1:
            value, zero = self.text[tokens[1][0]:end], [t[2] for t in tokens[1:]] in (["0"], ["NULL"])
            self.add("return", start, end, f"return ((void)({value}), (__typeof__({value})){int(zero)})", since)
            if len(tokens) > 3:
                self.within(tokens[1:], since)
        else:
            if not DECLARES.match(self.text[start:end]):
                self.add("order" if "_fence" in word else "statement", start, end, "", since)
            self.within(tokens, since)


def every_mutant(book):
    """The mutants of the port, each with its chapter and line."""
    found, numbers = [], {c.path: c.number for c in book.chapters}
    for path in sorted(p for room in ROOMS for p in (ROOT / "tangle" / room).glob("*.[ch]")):
        name, at, places = str(path.relative_to(ROOT / "tangle")), None, []
        lined = ROOT / "build/line" / path.relative_to(ROOT)
        for line in lined.read_text(encoding="utf-8").split("\n") if lined.is_file() else ():
            moved = chapters.LINE_DIRECTIVE.match(line)
            at = (moved.group(2), int(moved.group(1))) if moved else at and (at[0], at[1] + 1)
            places += [] if moved else [at and (at[0], at[1] - 1)]
        for mutant in File(name, path.read_text(encoding="utf-8")).found:
            if mutant.line <= len(places) and places[mutant.line - 1]:
                mutant.chapter = numbers[places[mutant.line - 1][0]]
                mutant.at = "{}:{}".format(*places[mutant.line - 1])
            found.append(mutant)
    return sorted(found, key=lambda m: (m.chapter, m.file, m.start))


def argue(mutants, path=ROOT / "tests/mutants.toml"):
    """Mark what is argued in the file; what is argued there must exist."""
    arguments = tomllib.loads(path.read_text(encoding="utf-8")).get("argued", []) if path.is_file() else []
    wrong = []
    for argued in arguments:
        if {"file", "in", "line", "becomes", "because"} != set(argued):
            raise Broken(f"{path.name}: an argument has a file, in, line, becomes and because: {argued}")
        fit = [m for m in mutants if (m.file, m.function) == (argued["file"], argued["in"])
               and (plain(m.text), plain(m.becomes)) == (plain(argued["line"]), plain(argued["becomes"]))]
        wrong += [] if fit else [f"{path.name}: {argued['file']}, {argued['in']}: no mutant makes {argued['line']!r} into {argued['becomes']!r}"]
        for mutant in fit:
            mutant.argued = argued["because"]
    if wrong:
        raise Broken("\n".join(wrong))
