"""What differs inside a pair of upstream and port: whole tokens of C, comments and white space aside.

marks() compares the two sides of each pair of a chapter with Python's difflib and gives {key: {line: [[first, last], …]}}, lines and bytes
from 1. The key is a definition's id, or a citation's URL, a space, and which occurrence of it in the chapter it is.
"""
import difflib
import functools
import re

TOKEN = re.compile(r"""/\*.*?\*/|//[^\n]*|\\\n
                    |(?P<code>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\w+|->|\+\+|--|[<>=!+\-*/%&|^]=|&&|\|\||<<|>>|\#\#?|[^\s\w])""", re.S | re.X)
REFERENCE = re.compile(r"(?<!@)<<(.*?)(?<!@)>>")
ALIKE = 0.5             # less than this in common: two texts, not two versions of one; nothing is marked
QUIET = set(";,(){}")     # a difference that is only these says nothing
GLUE = 2                # so few tokens in common between two differences are part of them


def tokens(text):
    """[(token, line, first byte, last byte)] of C, lines and bytes from 1."""
    found, starts = [], [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    line = 0
    for match in TOKEN.finditer(text):
        if match.group("code") is None:
            continue
        while starts[line + 1] <= match.start():
            line += 1
        before = len(text[starts[line]:match.start()].encode())
        found.append((match.group("code"), line + 1, before + 1, before + len(match.group().encode())))
    return found


def shown(body):
    """A definition's lines as the page shows them, references kept."""
    return re.sub(r"^(?:[ ]*\n)+", "", re.sub(r"(?m)^@@", "@", "\n".join(body))).rstrip()


def chunk_tokens(body, bodies, own):
    """[(token, own, line, first, last)] of a definition; where it refers to a chunk, that chunk's tokens, which stand on no line of this one."""
    lines, out = shown(body).split("\n"), []
    plain = "\n".join("" if REFERENCE.search(line) else line.replace("@<<", "<<").replace("@>>", ">>") for line in lines)
    here = tokens(plain)[::-1]
    for number, line in enumerate(lines, 1):
        while here and here[-1][1] <= number:
            token, *place = here.pop()
            out.append((token, own, *place))
        for name in REFERENCE.findall(line):
            for inner in bodies.get(name, []):
                out += [(token, None, 0, 0, 0) for token, *_ in chunk_tokens(inner, bodies, None)]
    return out


def differences(left, right):
    """Which tokens of either side have no counterpart on the other: two lists of booleans; none when the sides are two different texts."""
    matcher = difflib.SequenceMatcher(None, [t[0] for t in left], [t[0] for t in right], autojunk=False)
    sides = [False] * len(left), [False] * len(right)
    if matcher.ratio() < ALIKE:
        return sides
    steps = matcher.get_opcodes()
    for i, (kind, a, b, c, d) in enumerate(steps):
        if not any(t[0] not in QUIET for t in left[a:b] + right[c:d]):
            continue
        if kind != "equal" or (b - a <= GLUE and 0 < i < len(steps) - 1 and not any(t[0].isidentifier() for t in left[a:b])):
            sides[0][a:b], sides[1][c:d] = [True] * (b - a), [True] * (d - c)
    return sides


@functools.lru_cache(4096)
def compare(excerpts, definitions, inner):
    """Marks of one pair, as (key, line, first, last): `excerpts` and `definitions` are (key, text) in order, `inner` what the references stand for."""
    bodies = {name: [body.split("\n") for body in texts] for name, texts in inner}
    left = [(token, key, *place) for key, text in excerpts for token, *place in tokens(text.rstrip("\n"))]
    right = [token for key, text in definitions for token in chunk_tokens(text.split("\n"), bodies, key)]
    found = []
    for side, marked in zip((left, right), differences(left, right)):
        last = None
        for (_, key, line, first, end), differs in zip(side, marked):
            if differs and key and last and last[:2] == [key, line]:
                last[3] = end           # the space between two marked tokens is marked with them
            elif differs and key:
                last = [key, line, first, end]
                found.append(last)
            else:
                last = None
    return found


def marks(pairs, citations, chunks):
    """{key: {line: [[first, last], …]}} for the pairs of one chapter."""
    bodies = {d["id"]: "\n".join(d["body"]) for chunk in chunks.values() for d in chunk["defs"]}
    out = {}
    for pair in pairs:
        excerpts = tuple((f"{url} {n}", citations[url]["text"] or "") for url, n in pair["upstream"])
        definitions = tuple((ident, bodies[ident]) for ident in pair["port"])
        inner, todo = {}, [text for _, text in definitions]
        while todo:
            for name in REFERENCE.findall(todo.pop()):
                if name in chunks and name not in inner:
                    inner[name] = tuple(bodies[d["id"]] for d in chunks[name]["defs"])
                    todo += inner[name]
        if all(text for _, text in excerpts):
            for key, line, first, last in compare(excerpts, definitions, tuple(inner.items())):
                out.setdefault(key, {}).setdefault(line, []).append([first, last])
    return out
