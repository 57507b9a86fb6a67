"""Long chapters and indexes are cut into several pages, so that none takes long to load, and every link finds the page that its target is on."""
import html
import json
import math
import re

LIMIT = 215_000         # bytes of a page's text; with the frame, the stylesheet and the script it stays under 300 KB
SECTION = re.compile(r'^<h2 id="([^"]+)"[^>]*>(.*?)</h2>', re.M | re.S)
NOTES = re.compile(r'<div class="footnotes".*\Z', re.S)
HREF = re.compile(r'\bhref=("?)(?:([\w-]+)\.html)?#([^"\s>]+)')


class Page:
    """One HTML file: part `part` of the `parts` that its chapter or index is cut into."""

    def __init__(self, stem, part, parts, body):
        self.stem, self.part, self.parts, self.body = stem, part, parts, body
        self.name = stem if part == 1 else f"{stem}-{part}"
        self.sections = [(ident, re.sub(r"<a\b.*?</a>", "", title, flags=re.S)) for ident, title in SECTION.findall(body)]


def cut(stem, body):
    """A body as pages of about the same size, cut where a section starts."""
    notes = NOTES.search(body)
    text = body[:notes.start()] if notes else body
    starts = [match.start() for match in SECTION.finditer(text)][1:]
    least = math.ceil(len(body.encode()) / LIMIT)
    for count in range(least, least + 4):       # one more where the sections do not divide well
        cuts = sorted({min(starts, key=lambda at: abs(at - len(text) * i / count)) for i in range(1, count)} if starts else set())
        parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)])]
        if max(len(part.encode()) for part in parts) <= LIMIT:
            break
    if notes:
        parts = [part + notes_of(part, notes.group()) for part in parts]
    pages = [Page(stem, i, len(parts), part) for i, part in enumerate(parts, 1)]
    return [with_parts(page, pages) for page in pages] if len(pages) > 1 else pages


def notes_of(part, notes):
    """The footnotes that a part refers to, under their own numbers."""
    head, items = re.match(r"(.*?<ol[^>]*>)", notes, re.S).group(1), re.findall(r"<li>.*?</li>", notes, re.S)
    kept = [(n, item) for n, item in enumerate(items, 1) if f'id="ref-{n}"' in part]
    return head.replace("<ol", f'<ol start="{kept[0][0]}"') + "".join(item for _, item in kept) + "</ol></div>\n" if kept else ""


def with_parts(page, pages):
    """Says on each page which part it is and where the others are."""
    rows = []
    for other in pages:
        span = " to ".join(f"<i>{title}</i>" for title in dict.fromkeys([other.sections[0][1], other.sections[-1][1]]))
        rows.append(f'<li aria-current="page">{span}</li>' if other is page else f'<li><a href="{other.name}.html">{span}</a></li>')
    nav = f'<nav class="parts" aria-label="Parts"><p>Part {page.part} of {page.parts}</p><ol>{"".join(rows)}</ol></nav>\n'
    at = SECTION.search(page.body).start()
    page.body = page.body[:at] + nav + page.body[at:]
    return page


def homes(pages):
    """{(chapter, id): page} for every id of the book."""
    return {(page.stem, ident): page.name for page in reversed(pages) for ident in re.findall(r'\bid=["\']?([^"\'\s>]+)', page.body)}


def relink(text, page, home):
    """The same page with each link into a chapter or index led to the part that holds its target."""
    def led(match):
        quote, stem, ident = match.groups()
        there = home.get((stem or page.stem, ident))
        if there is None:
            return match.group()
        return f"href={quote}#{ident}" if there == page.name else f"href={quote}{there}.html#{ident}"
    return HREF.sub(led, text)


# What the pages load only when it is asked for, as scripts, so that they work from a folder of files --------------

CHUNK = re.compile(r'<figure class="code (?:port|test)" id=([^ >]+)>.*?<pre><code>(.*?)</code></pre>', re.S)
FAR_REFERENCE = re.compile(r"<a class=ref href=[\w-]+\.html#(c-\w+)>")
HEADING = re.compile(r'<h([123])\b[^>]*\bid="?([^" >]+)"?[^>]*>(.*?)</h\1>', re.S)


def script(name, value):
    return f"groundfloor({json.dumps(name)}, {json.dumps(value, ensure_ascii=False, separators=(',', ':'))});\n"


def far_bodies(pages):
    """{page: {id: [code of each of its parts]}} for the chunks that code on another page refers to, and for what those refer to."""
    code, home, wanted = {}, {}, []
    for page, text in pages.items():
        for ident, body in CHUNK.findall(text):
            code[ident], home[ident] = HREF.sub(lambda m, page=page: f"href={m.group(1)}{m.group(2) or page}.html#{m.group(3)}", body), page
            wanted += FAR_REFERENCE.findall(body)
    found = {}
    while wanted:
        ident = wanted.pop()
        if ident in code and ident not in found.get(home[ident], ()):
            parts = [ident]
            while f"{ident}-{len(parts) + 1}" in code:
                parts.append(f"{ident}-{len(parts) + 1}")
            found.setdefault(home[ident], {})[ident] = [code[part] for part in parts]
            wanted += [other for part in parts for other in FAR_REFERENCE.findall(code[part])]
    return found


def plain(markup):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())


def sections(page, text):
    """What the search knows of a page: [page, id, heading, prose, code] for each of its sections."""
    text = re.sub(r'<nav\b.*?</nav>|<svg\b.*?</svg>|<a class="permalink".*?</a>|<p class="?foot\b.*?</p>|<span class="sidenote".*?</span>|<figcaption class=bar>.*?</figcaption>', " ", text, flags=re.S)
    heads, found = list(HEADING.finditer(text)), []
    for head, after in zip(heads, [*heads[1:], None]):
        inside = text[head.end():after.start() if after else len(text)]
        code = "\n".join(re.findall(r"<pre\b[^>]*>(.*?)</pre>", inside, re.S))
        prose = re.sub(r"<pre\b.*?</pre>", " ", inside, flags=re.S)
        found.append([page, head.group(2), plain(head.group(3)), plain(prose), html.unescape(re.sub(r"<[^>]+>", "", code))])
    return found
