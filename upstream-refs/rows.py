"""The rows of README.md and NOTICE.md: each chapter and each tangled file has its own, each link and each command leads somewhere."""
import re

import chapters

COMMAND = re.compile(r"`?\bmake ((?:[a-z-]+ ?)+)")
LINK = re.compile(r"\]\(([^)#]+)")


def lines_of(name):
    path = chapters.ROOT / name
    return list(enumerate(path.read_text(encoding="utf-8").split("\n"), 1)) if path.is_file() else []


def last_row(lines, word):
    """The line after which a row is missing: the last of the table that has such rows."""
    return max((number for number, line in lines if line.startswith("|") and word in line), default=1)


def links(name, lines):
    return [f"{name}:{number}: the link leads to {target}, which is not there: correct it" for number, line in lines
            for target in LINK.findall(line) if "://" not in target and not (chapters.ROOT / target).exists()]


def commands(lines):
    rules = [chapters.ROOT / "Makefile", *(chapters.ROOT / "tests").glob("*.mk")]
    targets = {target for path in rules if path.is_file() for target in re.findall(r"^([a-z-]+):", path.read_text(encoding="utf-8"), re.MULTILINE)}
    return [f"README.md:{number}: make {word}: no such target; make help lists them" for number, line in lines
            for words in COMMAND.findall(re.sub(r"CPython[’'a-z]*|`[^`]*…[^`]*`", "", line)) if "`make" in line or line.startswith("    make")
            for word in words.split() if word not in targets]


def noticed(lines):
    """{file: line} of what the first cells of NOTICE.md's rows name; a name without a folder is in the last folder named."""
    named = {}
    for number, line in lines:
        folder = ""
        for name in re.findall(r"`([^`]+)`", line.split("|")[1]) if line.startswith("| `") else []:
            folder = name[:name.rindex("/") + 1] if name.startswith("tangle/") else folder
            if not name.endswith("/"):
                named[name if name.startswith("tangle/") else folder + name] = number
    return named


def check(book):
    readme, notice = lines_of("README.md"), lines_of("NOTICE.md")
    found = [*links("README.md", readme), *links("NOTICE.md", notice), *commands(readme)]
    if readme:
        text = "\n".join(line for _, line in readme)
        at = last_row(readme, "](book/")
        found += [f"README.md:{at}: no row for {chapter.path}: add | [{chapter.label}. {chapter.title}]({chapter.path}) | what it ports | its room |"
                  for chapter in book.chapters if f"({chapter.path})" not in text]
    if notice:
        named, at = noticed(notice), last_row(notice, "`tangle/")
        made = {target for target in book.roots.values() if target.startswith("tangle/")}
        last = {name.rsplit("/", 1)[1] for name in named}       # tangle/simulation/host/pyatomic.h is told with its room
        found += [f"NOTICE.md:{at}: no row names {target}: add it to the row of its file, or a row that says what it derives from"
                  for target in sorted(made - set(named)) if target.count("/") == 2 or target.rsplit("/", 1)[1] not in last]
        found += [f"NOTICE.md:{number}: no chapter makes {name}: take it out of the row, or correct it"
                  for name, number in named.items() if name not in made and not any(m.endswith("/" + name.rsplit("/", 1)[1]) for m in made)]
    return found
