"""Old addresses. moved.json says what chapters, sections and claims were called before the chapters were divided anew in November 2026:
each old page sends its reader on, to the section or the claim that was asked for. Without scripts it leads to the chapter, and lists the rest."""
import html
import json
import pathlib

MOVED = json.loads(pathlib.Path(__file__).with_name("moved.json").read_text(encoding="utf-8"))


def stubs(titles, home):
    """{file name: page} for each chapter that has another name now. `titles`: {stem: title}; `home`: {(chapter, id): the page that holds it}."""
    made, page_of = {}, {ident: page for (_, ident), page in home.items()}
    for old, new in MOVED["pages"].items():
        if old in titles or new not in titles:
            continue
        claims = {f"claim-{number.replace('.', '-')}": name for number, name in MOVED["claims"].items() if int(number.partition(".")[0]) == int(old[:2])}
        to = {anchor: f"{home.get((stem, anchor), stem)}.html#{anchor}" for anchor, stem in MOVED["sections"].get(old, {}).items()}
        to |= {anchor: f"{page_of[f'claim-{name}']}.html#claim-{name}" for anchor, name in claims.items() if f"claim-{name}" in page_of}
        stems = dict.fromkeys([new, *MOVED["sections"].get(old, {}).values()])
        links = "".join(f'<li><a href="{stem}.html">{html.escape(titles[stem])}</a></li>' for stem in stems)
        made[f"{old}.html"] = (
            f'<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<title>{html.escape(titles[new])} has moved</title>\n<link rel="stylesheet" href="style.css">\n'
            f"<script>const to = {json.dumps(to)}, at = location.hash.slice(1); location.replace(to[at] || {json.dumps(new + '.html')} + location.hash);</script>\n"
            f'</head>\n<body class="leaf">\n<main id="main"><article><h1>This chapter has moved</h1>\n<ul>{links}</ul></article></main>\n</body>\n</html>\n')
    return made
