"""What the book owes its reader, held by machine: each pair says how it differs, each chapter what it needs, and none is too long.

`refs.py counts` prints the figures: prose, port, tests and minutes of each chapter.
"""
import re

import chapters

DIFFERS = ("**Differs.**", "**Same but for names.**")
NEEDS = re.compile(r"^> \*\*Needs\.\*\*")
LINES, MINUTES = 2000, 60


def after(chapter, line):
    """The first line behind this one that is not empty, and its number."""
    for number in range(line + 1, len(chapter.lines) + 1):
        if chapter.lines[number - 1].strip():
            return number, chapter.lines[number - 1]
    return len(chapter.lines), ""


def pairs(book, chapter):
    """Every pair is followed by what differs, or by a plain word that nothing does."""
    for pair in chapter.pairs(book.role):
        end = pair["port"][-1].last_line + 1
        number, line = after(chapter, end)
        if not line.startswith(DIFFERS):
            yield number, f"the pair above says nothing of itself: go on with {DIFFERS[0]} and how, or {DIFFERS[1]}"


def needed(book, chapter):
    """{number of a chapter whose header this one's code includes: the header}; appendices are there to look things up in."""
    found = {}
    owner = {target.removeprefix("tangle/"): book.chunks[name][0].chapter for name, target in book.roots.items()}
    for definition in chapter.definitions:
        if book.role(definition.name) == "port":
            for header in re.findall(r'^#include "([^"]+)"', "\n".join(definition.body), re.MULTILINE):
                other = owner.get(header)
                if other and other.number < min(chapter.number, chapters.APPENDICES):
                    found.setdefault(other.number, header)
    return found


def needs(chapter):
    """(line, the numbers of the chapters that this one's head says it needs); line 0 where the head says nothing."""
    for number, line in enumerate(chapter.lines, 1):
        if NEEDS.match(line):
            text, end = [line], number
            while end < len(chapter.lines) and re.match(r"^> \S", chapter.lines[end]) and not chapter.lines[end].startswith("> **"):
                text.append(chapter.lines[end])
                end += 1
            return number, {int(n) for n in re.findall(r"\]\((\d\d)-[\w-]+\.md", " ".join(text))}
    return 0, set()


def check_needs(book, chapter):
    line, told = needs(chapter)
    if not line:
        yield 1, "the head has no > **Needs.**: say which chapters are to be read first, or that none is"
        return
    known, grows = set(told), True
    heads = {c.number: needs(c)[1] for c in book.chapters}
    while grows:
        more = known | {n for k in known for n in heads.get(k, ())}
        grows, known = more != known, more
    for number in sorted(known):
        if number >= chapter.number:
            yield line, f"chapter {number} comes later: a chapter cannot need it"
    for number, header in sorted(needed(book, chapter).items()):
        if number not in known:
            yield line, f'the code includes "{header}" of chapter {number}: it belongs in Needs'


def measure(book, chapter):
    """How much there is: source lines without tests, words of prose, lines of the port, of CPython's text and of tests, minutes."""
    tests = {n for d in chapter.definitions if book.role(d.name) == "test" for n in range(d.line - 1, d.last_line + 2)}
    fences = {n for d in chapter.definitions for n in range(d.line - 1, d.last_line + 2)}
    aside, fence, words = False, False, 0
    for number, line in enumerate(chapter.lines, 1):
        if line.startswith("::: tests"):
            aside = True
        elif line.startswith(":::"):
            aside = False
        if aside:
            tests.add(number)
        fence ^= line.startswith("```")
        if number not in fences and number not in tests and not fence and not line.startswith(("```", "[CPython:")):
            words += sum(any(c.isalnum() for c in word) for word in line.split())
    port = sum(len(d.body) for d in chapter.definitions if book.role(d.name) == "port")
    upstream = sum(c.last - c.first + 1 for c in chapter.citations)
    exact = words / 220 + (port + upstream / 4) * 4 / 60       # of a pair the second is compared, not read
    return {"source": len(chapter.lines) - len(tests), "words": words, "port": port, "upstream": upstream,
            "tests": sum(len(d.body) for d in chapter.definitions if book.role(d.name) == "test"), "minutes": round(exact)}


def check(book):
    found = []
    for chapter in book.chapters:
        if 0 < chapter.number < chapters.APPENDICES:
            told = [*pairs(book, chapter), *check_needs(book, chapter)]
            size = measure(book, chapter)
            if size["source"] > LINES:
                told.append((1, f"{size['source']} lines without its tests, more than {LINES}: split it, one concept a chapter"))
            if size["minutes"] > MINUTES:
                told.append((1, f"{size['minutes']} minutes to read, more than {MINUTES}: split it, one concept a chapter"))
            found += [f"{chapter.path}:{line}: {message}" for line, message in told]
    return found


def counts(book):
    """A table of what measure() finds, a line for each chapter, and a last one of all together."""
    rows = [(f"{c.label or '·'} {c.title}", measure(book, c)) for c in book.chapters]
    names = ["source", "words", "port", "upstream", "tests", "minutes"]
    total = {name: sum(size[name] for _, size in rows) for name in names}
    yield f"{'':40}" + "".join(f"{name:>10}" for name in names)
    for title, size in [*rows, ("all", total)]:
        yield f"{title[:40]:40}" + "".join(f"{size[name]:10,}" for name in names)
