"""The ledgers of memory orders: what the chapters say of each atomic operation, held to the code and to the litmus tests.

A ledger is a table in a chapter: tag, operation, order, needed, pairs with, if weakened. In the code a tag stands in a comment beside its
operation, as in `_Py_atomic_exchange_uint8(&evt->v, _Py_LOCKED);  /* [E1] */`; in a litmus test likewise. refs.py asks for
what differs, and tests/litmus.py makes its tests and their weakened twins of the rows.
"""
import bisect
import re

import chapters

COLUMNS = ["tag", "operation", "order", "needed", "pairs with", "if weakened"]
# What each order gives. One is weaker than another when it gives less.
GIVES = {"relaxed": set(), "acquire": {"acquire"}, "release": {"release"}, "acquire, release": {"acquire", "release"},
         "seq_cst": {"acquire", "release", "one order of all"}}
SYSTEMS = "the system's"
ATOMIC = re.compile(r"\b_Py_atomic_(?:fence_(seq_cst|acquire|release)|"
                    r"(load|store|compare_exchange|exchange|add|and|or)_[a-z]+\d*(?:_(relaxed|acquire|release))?)\b")
AROUND = re.compile(r"\b(?:__atomic_|__sync_|atomic_(?:load|store|exchange|compare|fetch|flag|thread_fence))\w*(?=\()|\b_Atomic\b|#\s*include <stdatomic\.h>")
C11 = re.compile(r"\batomic_(?:thread_(fence)|(load|store|exchange|compare_exchange_strong|fetch_add)_explicit)\b")
HEADER = "host/pyatomic.h"
PLACES = re.compile(r'(?P<text>"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|(?P<comment>/\*.*?\*/|//[^\n]*)', re.DOTALL)
TAGS = re.compile(r"\[([A-Z]\d+(?:, [A-Z]\d+)*)\]")
NOT_THE_PORT = ("tangle/simulation/", "tangle/bench/")


class Row:
    """One operation of the port, as its ledger has it."""

    def __init__(self, path, line, cells):
        self.path, self.line = path, line
        self.tag, operation, self.order, self.needed, pairs, self.weakened = cells
        self.operations = re.findall(r"\w+", re.match(r"(?:`\w+`,? ?)*", operation).group())
        self.fails = "when it fails" in operation       # an exchange whose failure, too, tells what the word was
        named = re.match(r"[A-Z]\d+(?:, [A-Z]\d+)*\b", pairs)
        self.pairs = named.group().split(", ") if named else []


def ledgers(book):
    """The rows that have a tag, and what is wrong with their tables."""
    rows, findings = {}, []
    for chapter in book.chapters:
        inside = False
        for number, line in enumerate(chapter.lines, 1):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]] if line.startswith("|") else []
            if cells and cells[0] == "tag":
                inside = cells == COLUMNS
                if not inside:
                    findings.append(f"{chapter.path}:{number}: a ledger has the columns {' | '.join(COLUMNS)}")
            elif not cells:
                inside = False
            elif inside and cells[0].strip("-:"):
                findings += add(rows, chapter.path, number, cells)
    for row in rows.values():
        findings += [f"{row.path}:{row.line}: [{row.tag}] {why}" for why in strange(row, rows)]
    return rows, findings


def add(rows, path, line, cells):
    if len(cells) != len(COLUMNS):
        return [f"{path}:{line}: a ledger's row has {len(COLUMNS)} cells, this one {len(cells)}"]
    first = rows.get(cells[0])
    if first:
        return [f"{path}:{line}: the tag [{cells[0]}] is {first.path}:{first.line}'s already: a tag is one row's in the whole book, take another"]
    rows[cells[0]] = Row(path, line, cells)
    return []


def strange(row, rows):
    """What a row says that cannot be."""
    if not re.fullmatch(r"[A-Z]\d+", row.tag):
        yield "is no tag: a capital letter and a number; what has no operation in the code leaves the cell empty"
    if not row.operations:
        yield "names no operation: its cell begins with it in `code`, as `load`, `compare_exchange` or `fence`"
    if row.order == SYSTEMS:
        return
    for word in {row.order, row.needed} - set(GIVES):
        yield f"has the order {word!r}: it is one of {'; '.join(GIVES)}; or {SYSTEMS}"
        return
    if not GIVES[row.needed] <= GIVES[row.order]:
        yield f"needs {row.needed} and is {row.order}: strengthen the operation, or say what it really needs"
    if GIVES[row.needed] and not row.pairs:
        yield f"needs {row.needed} and pairs with nothing: name the tags of the other side first, or relaxed is enough"
    if GIVES[row.needed] and row.weakened.startswith("nothing"):
        yield f"needs {row.needed} and nothing happens if it is weakened: one of the two is wrong"
    for other in row.pairs:
        if other not in rows:
            yield f"pairs with [{other}], which no ledger has"
        elif row.tag not in rows[other].pairs:
            yield f"pairs with [{other}], whose row ({rows[other].path}:{rows[other].line}) does not name it: a pair has two sides"


# ---- the code

def blanked(text):
    """C without its comments and strings, every character where it was; and the comments as (where, text)."""
    comments = [(found.start(), found.group()) for found in PLACES.finditer(text) if found.group("comment")]
    return PLACES.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text), comments


def calls(code, pattern):
    """Each call that the pattern names: (first line, last line, match), lines counted from 1."""
    starts = [0] + [at + 1 for at, letter in enumerate(code) if letter == "\n"]
    for found in pattern.finditer(code):
        depth, end = 0, found.end()
        while end < len(code) and (depth or code[end] in " ("):
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
            if not depth and code[end - 1] == ")":
                break
        yield bisect.bisect(starts, found.start()), bisect.bisect(starts, end - 1), found


def tags_of(text, comments):
    """(tag, line) of each tag in a comment."""
    for at, comment in comments:
        for found in TAGS.finditer(comment):
            line = text.count("\n", 0, at + found.start()) + 1
            yield from ((tag, line) for tag in found.group(1).split(", "))


def uses(text, pattern, describe):
    """The operations of a text: (line, last line, operation, order, tags), and the tags that stand beside none."""
    code, comments = blanked(text)
    tags = list(tags_of(text, comments))
    found = [(first, last, *describe(match, code)) for first, last, match in calls(code, pattern)]
    beside = [(*use, [tag for tag, line in tags if use[0] <= line <= use[1]]) for use in found]
    lone = [(tag, line) for tag, line in tags if not any(first <= line <= last for first, last, *_ in found)]
    return beside, lone


def of_the_port(match, _code):
    fence, operation, order = match.groups()
    return ("fence", fence) if fence else (operation, order or "seq_cst")


def of_the_system(match, _code):
    return match.group(), SYSTEMS


def check(book):
    """Everything in which ledgers, code and litmus tests differ."""
    rows, findings = ledgers(book)
    system = [name for row in rows.values() if row.order == SYSTEMS for name in row.operations]
    patterns = [(ATOMIC, of_the_port)] + ([(re.compile(rf"\b(?:{'|'.join(system)})\b(?=\()"), of_the_system)] if system else [])
    used = set()
    for target in sorted(t for t in book.roots.values() if t.startswith("tangle/") and t.endswith((".c", ".h")) and not t.startswith(NOT_THE_PORT)):
        file = chapters.ROOT / target
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8")
        at = places(target, text)
        if target.endswith(HEADER):
            findings += [f"{at(line)}: {why}" for line, why in header(text)]
            continue
        found, lone = [], None
        for pattern, describe in patterns:
            some, rest = uses(text, pattern, describe)
            found += some
            lone = rest if lone is None else [tag for tag in lone if tag in rest]
        for tag, line in lone:
            findings.append(f"{at(line)}: [{tag}] stands beside no atomic operation: put it on the line of the operation, or take it away")
        for line, _, operation, order, tags in found:
            findings += [f"{at(line)}: {why}" for why in differs(rows, operation, order, tags)]
            used |= {(tag, operation) for tag in tags}
        for found in AROUND.finditer(blanked(text)[0]):
            line = text.count("\n", 0, found.start()) + 1
            findings.append(f"{at(line)}: {found.group()} goes around {HEADER}: use _Py_atomic_…, which the ledgers and the simulation know")
    for row in rows.values():
        for operation in row.operations:
            if (row.tag, operation) not in used:
                findings.append(f"{row.path}:{row.line}: [{row.tag}] stands beside no {operation} of the code: put it there, or strike that from the row")
    return findings + list(prose_findings(book, rows)) + litmus_findings(rows)


def prose_findings(book, rows):
    """Tags that the text speaks of, and no ledger has."""
    for chapter in book.chapters:
        prose = chapters.CODE.sub(lambda code: re.sub(r"[^\n]", " ", code.group()), "\n".join(chapter.lines))
        yield from (f"{chapter.path}:{line}: the text names [{tag}], which no ledger has" for tag, line in tags_of(prose, [(0, prose)]) if tag not in rows)


def differs(rows, operation, order, tags):
    """What is wrong with one operation of the code."""
    if order != SYSTEMS and not tags and order != "seq_cst":
        yield f"{operation} is {order}, which is weaker than seq_cst, and has no tag: give it one, and a row in the chapter's ledger"
    for tag in tags:
        row = rows.get(tag)
        if row is None:
            yield f"[{tag}] is in no ledger: give it a row in the chapter's"
        elif operation not in row.operations:
            yield f"[{tag}] is a {operation} here, and in its ledger ({row.path}:{row.line}) {' or '.join(row.operations)}: mend what is wrong of the two"
        elif order != row.order:
            yield f"[{tag}] is {order} here, and in its ledger ({row.path}:{row.line}) {row.order}: mend what is wrong of the two"


def places(target, text):
    """Where a line of a tangled file stands in its chapter; in the file itself, when that is not what the chapter makes."""
    made = chapters.ROOT / "build/line" / target
    origins = {}
    if made.is_file():
        mapped, lines = chapters.line_map(made), made.read_text(encoding="utf-8").split("\n")
        kept = [mapped.get(number) for number, line in enumerate(lines, 1) if line.strip() and not chapters.LINE_DIRECTIVE.match(line)]
        ours = [number for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        origins = dict(zip(ours, kept)) if len(kept) == len(ours) else {}
    return lambda line: "{}:{}".format(*(origins.get(line) or (target, line)))


def header(text):
    """Operations of the header whose order is not the one that their names say."""
    code = blanked(text)[0].replace("\\\n", " \n")
    for found in re.finditer(r"_Py_atomic_([a-z_]+)(?:##NAME)?(?:##)?(\w*)\([^{}]*\)\s*\{([^{}]*)\}", code):
        words = (found.group(1) + found.group(2)).strip("_")
        wanted = next((order for order in ("relaxed", "acquire", "release", "seq_cst") if words.endswith(order)), "seq_cst")
        asked = {order.lower() for order in re.findall(r"__ATOMIC_(\w+)", found.group(3))}
        if asked != {wanted}:
            yield code.count("\n", 0, found.start()) + 1, f"_Py_atomic_{words} asks for {', '.join(sorted(asked)) or 'no order'}; its name says {wanted}"


# ---- the litmus tests

def of_c11(match, code):
    fence, operation = match.groups()
    order = re.search(r"memory_order_(\w+)", code[match.end():])
    return {"compare_exchange_strong": "compare_exchange", "fetch_add": "add"}.get(operation, operation) or fence, order.group(1) if order else ""


def litmus_files():
    return sorted((chapters.ROOT / "tests/litmus").glob("*.litmus"))


def litmus_findings(rows):
    """Tests whose operations are not the ledgers', and rows that need an order which no test shows."""
    findings, shown = [], {tag for writer, reader in pairs(rows) for tag in (writer.tag, reader.tag)}
    for file in litmus_files():
        text = file.read_text(encoding="utf-8")
        name = str(file.relative_to(chapters.ROOT))
        at = places(name, text)
        found, lone = uses(text, C11, of_c11)
        findings += [f"{at(line)}: [{tag}] stands beside no atomic operation of the test" for tag, line in lone]
        for line, _, operation, order, tags in found:
            for why in (differs(rows, operation, order, tags) if tags else ()):
                findings.append(f"{at(line)}: {why}")
            shown |= set(tags)
        if not any(tags for *_, tags in found):
            findings.append(f"{at(1)}: no operation of this test has a tag: it says nothing of the port")
    for row in rows.values():
        if row.order in GIVES and GIVES.get(row.needed) and row.tag not in shown:
            findings.append(f"{row.path}:{row.line}: [{row.tag}] needs {row.needed}, and no litmus test shows it: a fence needs one of its own in tests/litmus/")
    return findings


def pairs(rows):
    """(who releases, who acquires) of all pairs whose operations can be drawn: a store or exchange, and a load or exchange."""
    for row in rows.values():
        for other in (rows[tag] for tag in row.pairs if tag in rows):
            if "release" in GIVES.get(row.needed, ()) and "acquire" in GIVES.get(other.needed, ()) and "fence" not in row.operations + other.operations:
                yield row, other
