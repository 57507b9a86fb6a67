--[[ The one pandoc filter of the book: a chapter's Markdown becomes pages, print or EPUB.

weave.py runs it once per chapter and format, with these metadata fields:
  gf-target   html, latex or epub
  gf-index    the part of the book's index that this chapter needs, as a Lua table
  gf-stem     the chapter's file name without .md
  gf-figures  the folder that receives a figure's PDF (latex only)
  gf-code     the file that keeps highlighted code from one run to the next
It works on pandoc 2.17 and 3.1. What it knows about chunks, citations and claims comes from the index;
what a chapter may contain is written in book/chapters.py and in the preface. ]]

local target, index, stem, figures_dir
local chapter            -- this chapter's entry in the index
local seen = {}          -- chunk name -> definitions met so far
local section_ids = {}   -- ids of this chapter's headings, which print and EPUB prefix with the chapter
local figure_numbers = {}-- figure id -> "3.1"
local code_lines = 0     -- lines of code shown, tests aside, for the reading time

local function fail(message)
  io.stderr:write("book/" .. stem .. ".md: " .. message .. "\n")
  os.exit(3)
end

-- Text ------------------------------------------------------------------------------------------------------

local function escape_html(s)
  return (s:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

local tex_specials = { ["\\"] = "\\textbackslash{}", ["{"] = "\\{", ["}"] = "\\}", ["$"] = "\\$", ["&"] = "\\&",
  ["#"] = "\\#", ["^"] = "\\textasciicircum{}", ["_"] = "\\_", ["~"] = "\\textasciitilde{}", ["%"] = "\\%" }

local function escape_tex(s) return (s:gsub("[\\{}$&#^_~%%]", tex_specials)) end

-- Code set by TeX: fixed spaces. In running text it may break after the joints of a name, without a hyphen.
local function tex_code(s) return (escape_tex(s):gsub(" ", "~")) end
local function tex_inline_code(s)
  s = escape_tex(s):gsub("\\_", "\\_\\gfbreak{}"):gsub("([/.,>%)])", "%1\\gfbreak{}"):gsub("(%l)(%u)", "%1\\gfbreak{}%2"):gsub("(%a)%-(%l)", "%1-\\gfbreak{}%2"):gsub("%(", "(\\gfbreak{}")
  return "\\gfcode{" .. s .. "}"
end

-- What noweb needs escaped, as the reader should see it.
local function unescape(s) return (s:gsub("@<<", "<<"):gsub("@>>", ">>")) end

-- An attribute's value: bare in the pages where HTML allows it (they are read by the hundred), quoted in EPUB's XHTML.
local function q(value)
  if target == "html" and value:match("^[%w_.:/#-]*[%w_.:#-]$") then return value end
  return '"' .. escape_html(value) .. '"'
end

local function raw(text) return pandoc.RawBlock(target == "latex" and "latex" or "html", text) end
local function raw_inline(text) return pandoc.RawInline(target == "latex" and "latex" or "html", text) end

-- Addresses: ids are unique in the whole book, so print needs no file; EPUB's files are numbered by pandoc.
local function href(stem_of_target, id)
  if target == "epub" then
    for i, c in ipairs(index.chapters) do
      if c.stem == stem_of_target then return string.format("ch%03d.xhtml#%s", i, id) end
    end
  end
  if stem_of_target == stem then return "#" .. id end
  return stem_of_target .. ".html#" .. id
end

local function section_id(stem_of_target, id)
  return target == "html" and id or "s-" .. stem_of_target .. "-" .. id
end

local function chapter_id(stem_of_target) return target == "html" and "top" or "ch-" .. stem_of_target end

-- Names of chunks: "arena/pyarena.c: allocate a block" shows its file quietly and its phrase in italics.
local function chunk_name(name)
  local file, phrase = name:match("^([%w_/.-]+%.%a+): (.+)$")
  if target == "latex" then
    if file then return "\\gffile{" .. tex_inline_code(file) .. "} \\emph{" .. escape_tex(phrase) .. "}" end
    return index.chunks[name].target and tex_inline_code(name) or "\\emph{" .. escape_tex(name) .. "}"
  end
  if file then return "<span class=" .. q("file") .. ">" .. escape_html(file) .. "</span> <i>" .. escape_html(phrase) .. "</i>" end
  local tag = index.chunks[name].target and "code" or "i"
  return "<" .. tag .. ">" .. escape_html(name) .. "</" .. tag .. ">"
end

local function chunk_link(name, definition)
  if target == "latex" then return "\\gfref{" .. definition.id .. "}{" .. chunk_name(name) .. "}" end
  return "<a class=" .. q("ref") .. " href=" .. q(href(definition.chapter, definition.id)) .. ">⟨" .. chunk_name(name) .. "⟩</a>"
end

-- Code ------------------------------------------------------------------------------------------------------

-- Skylighting's token classes, folded into the few that the book's styles distinguish.
local token_class = { kw = "k", cf = "k", dt = "t", co = "c", ["do"] = "c", an = "c", cv = "c", st = "s", ch = "s", sc = "s",
  ss = "s", vs = "s", im = "s", pp = "p", dv = "n", bn = "n", fl = "n", cn = "n" }   -- numbers are coloured in print alone

local entities = { lt = "<", gt = ">", quot = '"', amp = "&", ["#39"] = "'" }

-- Code as skylighting marks it up. That is half of a chapter's time, so it is kept for the next run and the other formats.
local code_kept, code_used, code_fresh = {}, {}, false

local function skylight(code, language)
  local key = language .. "\n" .. code
  local html = code_kept[key]
  if not html then
    html = pandoc.write(pandoc.Pandoc { pandoc.CodeBlock(code, { class = language }) }, "html"):match("<code[^>]*>(.*)</code>")
    code_fresh = true
  end
  code_used[key] = html
  return html
end

-- A file written whole, or not at all: a disk that is full stops the weaver.
local function save(path, data)
  local half = path .. "." .. target
  local file, why = io.open(half, "wb")
  local ok = file and file:write(data)
  ok = file and file:close() and ok and os.rename(half, path)
  if not ok then
    os.remove(half)
    fail("cannot write " .. path .. (why and ": " .. why or ""))
  end
end

local function load_code(path)
  local made = loadfile(path)
  local kept = made and made() or {}
  if kept.pandoc == tostring(PANDOC_VERSION) then code_kept = kept.code end
end

local function save_code(path)
  if not code_fresh then return end
  local lines = { string.format("return { pandoc = %q, code = {\n", tostring(PANDOC_VERSION)) }
  for key, html in pairs(code_used) do lines[#lines + 1] = string.format("[%q] = %q,\n", key, html) end
  save(path, table.concat(lines) .. "} }\n")
end

-- Highlighted lines of code: a list of lines, each a list of {class or nil, text}.
local function highlight(code, language)
  local lines = {}
  if code == "" then return { {} } end
  local html = skylight(code, language or "")
  for line in (html .. "\n"):gmatch("(.-)\n") do
    line = line:gsub('<span id="cb[^>]*>', ""):gsub('<a href="#cb[^>]*></a>', "")
    local tokens, at = {}, 1
    local function put(class, text)
      text = text:gsub("&(#?%w+);", entities)
      if text ~= "" then tokens[#tokens + 1] = { token_class[class], text } end
    end
    while at <= #line do
      local from, to, class, text = line:find('<span class="(%w+)">(.-)</span>', at)
      put(nil, line:sub(at, (from or #line + 1) - 1):gsub("</span>", ""))
      if not from then break end
      put(class, text)
      at = to + 1
    end
    lines[#lines + 1] = tokens
  end
  return lines
end

-- Whether a chunk can mean this identifier by its name: one file's m is not another's, and the rooms beside the library have names of their own.
local function in_reach(entry, context)
  if entry.test and not context.test then return false end
  if not entry.only or context.test and entry.chapter == stem then return true end
  for _, file in ipairs(context.files) do
    if file:sub(1, #entry.only) == entry.only then return true end
  end
  return false
end

-- The text of one token of a chunk's code: references and identifiers become links.
local function linked(class, text, context)
  local out = {}
  local function put(plain)
    if plain == "" then return end
    out[#out + 1] = target == "latex" and tex_code(plain) or escape_html(plain)
  end
  local at = 1
  local linkable = context.definition and class ~= "c" and class ~= "s"
  while at <= #text do
    local from, to = text:find("[%a_][%w_]*", at)
    if not from then break end
    local word = text:sub(from, to)
    local reference = context.references and context.references[word]
    local entry = linkable and index.identifiers[word]
    if entry and not in_reach(entry, context) then entry = nil end
    put(text:sub(at, from - 1))
    if reference then
      out[#out + 1] = chunk_link(reference, index.chunks[reference].defs[1])
    elseif entry and entry.def_id ~= context.definition.id then
      if target == "latex" then
        out[#out + 1] = "\\hyperref[" .. entry.def_id .. "]{" .. tex_code(word) .. "}"
      else
        out[#out + 1] = "<a href=" .. q(href(entry.chapter, entry.def_id)) .. ">" .. escape_html(word) .. "</a>"
      end
    elseif entry then
      out[#out + 1] = target == "latex" and "\\gfdefined{" .. tex_code(word) .. "}" or "<dfn>" .. escape_html(word) .. "</dfn>"
    else
      put(word)
    end
    at = to + 1
  end
  put(text:sub(at))
  return table.concat(out)
end

local function render_token(class, text, context)
  local body = linked(class, text, context)
  if not class then return body end
  if target == "latex" then return "\\gf" .. class .. "{" .. body .. "}" end
  return '<span class="' .. class .. '">' .. body .. "</span>"
end

-- In the pages a run of tokens of one class is one element, over lines if need be, with the shortest tag; what differs from the other
-- side of a pair stands in <mark>.
local page_tag = { k = "b", t = "b class=t", c = "i", s = "i class=s", p = "i class=p" }

local function split_at_marks(tokens, marks)
  if not marks then return tokens end
  local out, column = {}, 1
  for _, t in ipairs(tokens) do
    local from, to = column, column + #t[2] - 1
    local at = from
    for _, m in ipairs(marks) do
      local a, b = math.max(m[1], at), math.min(m[2], to)
      if a <= b then
        if at < a then out[#out + 1] = { t[1], t[2]:sub(at - from + 1, a - from) } end
        out[#out + 1] = { t[1], t[2]:sub(a - from + 1, b - from + 1), true }
        at = b + 1
      end
    end
    if at <= to then out[#out + 1] = { t[1], t[2]:sub(at - from + 1) } end
    column = to + 1
  end
  return out
end

local function page_code(lines, context, marks)
  local out, class, marked = {}, nil, false
  local function turn(to_class, to_mark)
    if class and (class ~= to_class or marked ~= to_mark) then
      out[#out + 1], class = "</" .. page_tag[class]:sub(1, 1) .. ">", nil
    end
    if marked ~= to_mark then out[#out + 1], marked = to_mark and "<mark>" or "</mark>", to_mark end
    if to_class and to_class ~= class then out[#out + 1], class = "<" .. page_tag[to_class] .. ">", to_class end
  end
  for i, tokens in ipairs(lines) do
    if marked then turn(nil, false) end
    if i > 1 then out[#out + 1] = "\n" end
    for _, t in ipairs(split_at_marks(tokens, marks and marks[i])) do
      local blank = class and not t[1] and not t[2]:find("%S")
      turn(blank and class or page_tag[t[1]] and t[1], t[3] or false)
      out[#out + 1] = linked(t[1], t[2], context)
    end
  end
  turn(nil, false)
  return table.concat(out)
end

-- In print a line longer than the measure is broken where a word ends, and the rest is marked by an arrow. The measure is
-- the text's, a column's (pairs, tests) or the page's (short tests).
local TEXT_COLUMNS, WIDE_COLUMNS, HALF_COLUMNS, PAGE_COLUMNS = 80, 106, 66, 130
local print_columns = TEXT_COLUMNS

local function fold(tokens)
  local parts = {}
  for i, t in ipairs(tokens) do parts[i] = t[2] end
  local whole = table.concat(parts)
  local function length(s) return utf8.len(s) or #s end
  if length(whole) <= print_columns then return { tokens } end
  local hang = math.min(#whole:match("^ *"), print_columns // 2) + 4
  local cuts, at, room = {}, 1, print_columns      -- where each further row starts
  while length(whole:sub(at)) > room do
    local piece = whole:sub(at, (utf8.offset(whole, room + 1, at) or at + room) - 1)
    local head = piece:match("^(.*[^ ] +)")
    if not head or #head < room * 0.6 then head = piece:match("^(.*[,(])") or head or piece end
    at, room = at + #head, print_columns - hang
    cuts[#cuts + 1] = at
  end
  local rows, row, from = {}, {}, 1
  for _, t in ipairs(tokens) do
    local text = t[2]
    while cuts[1] and from + #text > cuts[1] do
      local head = text:sub(1, cuts[1] - from)
      if head ~= "" then row[#row + 1] = { t[1], head } end
      rows[#rows + 1], row = row, {}
      text, from = text:sub(#head + 1), cuts[1]
      table.remove(cuts, 1)
    end
    if text ~= "" then row[#row + 1] = { t[1], text } end
    from = from + #text
  end
  rows[#rows + 1] = row
  return rows, hang
end

-- The lines of a block as HTML or as a run of \gfline. `first` numbers them (upstream's own line numbers).
local function plain(tokens)
  local parts = {}
  for j, t in ipairs(tokens) do parts[j] = t[2] end
  return table.concat(parts)
end

local function render_code(lines, context, first, marks)
  if not context.test then code_lines = code_lines + (context.upstream and #lines / 4 or #lines) end       -- of a pair the second is compared, not read
  if target == "html" then return page_code(lines, context, marks) end
  local out = {}
  for i, tokens in ipairs(lines) do
    local function render(row)
      local parts = {}
      for j, t in ipairs(row) do parts[j] = render_token(t[1], t[2], context) end
      return table.concat(parts)
    end
    local number = first and tostring(first + i - 1) or ""
    if target == "latex" then
      local cut = ""
      if #lines > 10 and i > 3 and i < #lines - 3 then      -- best between two functions: after an empty line, before one that is not indented
        cut = plain(tokens) == "" and plain(lines[i + 1]):match("^%S") and "\\gfcutwell" or "\\gfcut"
      end
      local rows, hang = fold(tokens)
      for j, row in ipairs(rows) do
        out[#out + 1] = (j == 1 and "\\gfline{" .. number or "\\gfnextline{" .. hang) .. "}{" .. render(row) .. "}" .. (j == #rows and cut or "")
      end
    elseif first then
      out[#out + 1] = '<span class="l" data-n="' .. number .. '">' .. render(tokens) .. "</span>"
    else
      out[#out + 1] = render(tokens)
    end
  end
  return table.concat(out, "\n")
end

-- The pages' script makes blocks that are too wide focusable. Upstream's line numbers are one attribute there, set beside the code by the stylesheet.
local function pre(code, label, first, count)
  if target ~= "html" then return '<pre tabindex="0" role="region" aria-label="' .. escape_html(label) .. '"><code>' .. code .. "</code></pre>" end
  local numbers = {}
  for i = 1, first and count or 0 do numbers[i] = first + i - 1 end
  return "<pre" .. (first and ' data-n="' .. table.concat(numbers, "\n") .. '"' or "") .. "><code>" .. code .. "</code></pre>"
end

-- Chunks ----------------------------------------------------------------------------------------------------

local function chunk_of(block)
  if not block or block.t ~= "CodeBlock" then return nil end
  local name = block.text:match("^<<(.-)>>=%s*\n") or block.text:match("^<<(.-)>>=%s*$")
  if not name then return nil end
  if not index.chunks[name] then fail("chunk <<" .. name .. ">> is not in the index: run make tangle") end
  return name
end

-- A chunk's code without its bar and its @, with every <<name>> replaced by a word that the highlighter leaves whole.
local function chunk_code(text)
  local references, count = {}, 0
  local body = text:gsub("^<<[^\n]*\n?", ""):gsub("\n?@%s*$", "")
  body = body:gsub("@<<", "\1"):gsub("@>>", "\2"):gsub("<<([^\n]-)>>", function(name)
    if not index.chunks[name] then fail("chunk <<" .. name .. ">> is defined nowhere: run make tangle") end
    count = count + 1
    local word = "gfreference" .. count .. "x"
    references[word] = name
    return word
  end)
  body = ("\n" .. body):gsub("\n@@", "\n@"):gsub("^[ \n]*\n", ""):gsub("%s+$", "")
  return body:gsub("\1", "<<"):gsub("\2", ">>"), references
end

-- The definitions that use a chunk: the very ones, not the first of their name.
local function users_of(name)
  local users = {}
  for _, user in ipairs(index.chunks[name].used_in) do
    for _, definition in ipairs(index.chunks[user].defs) do
      for _, used in ipairs(definition.uses) do
        if used == name then users[#users + 1] = { user, definition } break end
      end
    end
  end
  return users
end

-- Under a chunk that defines functions: the text of CPython that they come from, and the claims that name them.
local function proof(definition)
  if target ~= "html" or not definition.functions then return "" end
  local out = {}
  if definition.cited then
    local c = index.citations[definition.cited]
    out[1] = "<span>CPython <a href=" .. q("#u-" .. (c.path .. "-" .. c.first):gsub("[^%w]+", "-")) .. ">" .. escape_html(c.path) .. "</a></span>"
  end
  local claims = {}
  for i, name in ipairs(definition.claims) do
    if i > 6 then
      claims[i] = "<a href=" .. q("identifiers.html#i-" .. definition.functions[1]) .. ">and " .. #definition.claims - 6 .. " more</a>"
      break
    end
    local claim = index.claimed[name]
    claims[i] = "<a href=" .. q(href(claim.chapter, "claim-" .. name)) .. ">" .. claim.number .. "</a>"
  end
  if #claims > 0 then out[#out + 1] = "<span>" .. (#claims == 1 and "Claim " or "Claims ") .. table.concat(claims, ", ") .. "</span>" end
  out[#out + 1] = "<a href=" .. q("identifiers.html#i-" .. definition.functions[1]) .. ">In the index</a>"
  return "<p class=" .. q("foot proof") .. ">" .. table.concat(out, " ") .. "</p>"
end

local function chunk_block(block)
  local name = chunk_of(block)
  seen[name] = (seen[name] or 0) + 1
  local chunk = index.chunks[name]
  local n, definition = seen[name], chunk.defs[seen[name]]
  if not definition then fail("chunk <<" .. name .. ">> occurs more often than the index says: run make tangle") end
  local code, references = chunk_code(block.text)
  local lines = highlight(code, block.classes[1])
  local context = { references = references, definition = definition, test = chunk.role == "test", files = chunk.files }
  local wide = false                  -- the port in print: as wide as the text, unless a line of it is wider
  if context.test then print_columns = PAGE_COLUMNS
  elseif target == "latex" and print_columns == TEXT_COLUMNS then
    for _, tokens in ipairs(lines) do wide = wide or (utf8.len(plain(tokens)) or 0) > TEXT_COLUMNS end
    if wide then print_columns = WIDE_COLUMNS end
  end
  local rendered = render_code(lines, context, nil, index.marks[definition.id])
  local total, sign = #chunk.defs, n == 1 and "≡" or "+≡"
  local file = (chunk.files[1] or ""):gsub("^tangle/", "")
  if name:find(file .. ":", 1, true) == 1 then file = "" end         -- the name says it already
  local before, after = chunk.defs[n - 1], chunk.defs[n + 1]
  local used = {}
  if n == 1 then
    for i, u in ipairs(users_of(name)) do used[i] = chunk_link(u[1], u[2]) end
  end
  if chunk.target then file = "makes " .. chunk.target end

  if target == "latex" then
    local foot = {}
    if after then foot[#foot + 1] = "\\gfcontinued{" .. after.id .. "}" end
    if #used > 0 then
      local pages = {}
      for i, u in ipairs(users_of(name)) do pages[i] = "\\gfpage{" .. u[2].id .. "}" end
      foot[#foot + 1] = "\\gfused{" .. table.concat(pages, ", ") .. "}"
    end
    local bar = "\\gfbar{" .. definition.id .. "}{" .. chunk_name(name) .. "}{" .. (n == 1 and "" or "+") .. "}{"
      .. (total > 1 and n .. " of " .. total or "") .. "}{" .. (file ~= "" and tex_inline_code(file) or "") .. "}"
    local below = #foot > 0 and "\\gffoot{" .. table.concat(foot, ". ") .. "}" or "\\gfnofoot"
    if context.test then
      print_columns = TEXT_COLUMNS
      return pandoc.List { raw(table.concat({ "\\begin{gftest}{1}", bar, "\\gftestbody", rendered,
        "\\gftestfoot{" .. below .. "}\\end{gftest}" }, "\n")) }
    end
    if wide then print_columns = TEXT_COLUMNS end
    local block = wide and "gfwideblock" or "gfblock"
    return pandoc.List { raw(table.concat({ "\\begin{" .. block .. "}{" .. chunk.role .. "}", bar, rendered, below, "\\end{" .. block .. "}" }, "\n")) }
  end

  local function link(class, id, text, label)
    return "<a class=" .. q(class) .. " href=" .. q(href(stem, id)) .. (label and " aria-label=" .. q(label) or "") .. ">" .. text .. "</a>"
  end
  local bar = { "<figcaption class=" .. q("bar") .. ">", link("name", definition.id, "⟨" .. chunk_name(name) .. "⟩<span class=" .. q("sign") .. ">" .. sign .. "</span>"),
    "<span class=" .. q("facts") .. ">" }
  local function put(s) bar[#bar + 1] = s end
  if file ~= "" then put("<span class=" .. q("file") .. ">" .. escape_html(file) .. "</span>") end
  if total > 1 then put("<span class=" .. q("of") .. ">" .. n .. " of " .. total .. "</span>") end
  if before then put(link("hop", before.id, "▲", "Previous part")) end
  if after then put(link("hop", after.id, "▼", "Next part")) end
  put("</span></figcaption>")
  local foot = #used > 0 and "<p class=" .. q("foot") .. ">Used in " .. table.concat(used, ", ") .. "</p>" or ""
  return pandoc.List { raw("<figure class=" .. q("code " .. chunk.role) .. " id=" .. q(definition.id) .. ">" .. table.concat(bar)
    .. pre(rendered, "Code of " .. name) .. foot .. proof(definition) .. "</figure>") }
end

-- ```{.whole} and a name: a function that was told in pieces, once more as it stands in its file.
local function whole_of(block) return block and block.t == "CodeBlock" and block.classes[1] == "whole" and block.text:match("^%s*([%w_]+)%s*$") end

local function whole_block(block)
  local name = whole_of(block)
  local whole = index.wholes[name] or fail("```{.whole} names " .. name .. ", which is no function of the port: run make tangle")
  local rendered, id = render_code(highlight(whole.text, "c"), { upstream = true, files = { whole.file } }), "whole-" .. name
  if target == "latex" then
    return raw(table.concat({ "\\begin{gfblock}{port}", "\\gfbar{" .. id .. "}{" .. tex_inline_code(name) .. ", whole}{}{}{" .. tex_inline_code(whole.file) .. "}",
      rendered, "\\gfnofoot", "\\end{gfblock}" }, "\n"))
  end
  return raw("<figure class=" .. q("code port") .. " id=" .. q(id) .. "><figcaption class=" .. q("bar") .. "><span class=" .. q("source") .. ">"
    .. escape_html(name) .. ", whole</span><span class=" .. q("facts") .. "><span class=" .. q("file") .. ">" .. escape_html(whole.file) .. "</span></span></figcaption>"
    .. pre(rendered, "Code of " .. name) .. "</figure>")
end

-- Code that is no chunk: shell lines, excerpts of nothing.
local function plain_code(block)
  local rendered = render_code(highlight(unescape(block.text), block.classes[1]), {})
  if target == "latex" then return raw("\\begin{gfblock}{plain}\n\\gfnofoot\n" .. rendered .. "\n\\gfnofoot\n\\end{gfblock}") end
  return raw('<figure class="code plain">' .. pre(rendered, "Example") .. "</figure>")
end

-- Citations -------------------------------------------------------------------------------------------------

local function citation_of(block)
  if not block or block.t ~= "Para" or #block.content ~= 1 or block.content[1].t ~= "Link" then return nil end
  local link = block.content[1]
  if not pandoc.utils.stringify(link.content):match("^CPython: ") then return nil end
  return index.citations[link.target] and link.target
    or fail("the citation " .. link.target .. " is not in the index: run make refs")
end

local upstream_ids, shown_before = {}, {}
local function citation_block(url)
  local c = index.citations[url]
  local id = ("u-" .. c.path .. "-" .. c.first):gsub("[^%w]+", "-")
  upstream_ids[id] = (upstream_ids[id] or 0) + 1
  shown_before[url] = (shown_before[url] or 0) + 1
  if upstream_ids[id] > 1 then id = id .. "-" .. upstream_ids[id] end
  if target ~= "html" then id = id .. "-" .. stem end
  local range = c.first == c.last and tostring(c.first) or c.first .. "–" .. c.last
  local gap
  if not c.text then
    gap = "CPython " .. c.version .. " is not on this machine."
  elseif c.state == "stale" then
    gap = c.why or "these lines differ from the pinned ones"
  end
  local lines = c.text and highlight((c.text:gsub("\n+$", "")), "c")
  local code = lines and render_code(lines, { upstream = true }, c.first, index.marks[url .. " " .. shown_before[url]])
  if target == "latex" then
    local state = c.state == "verified" and "\\gfverified" or "\\gfnotverified{" .. (c.state == "stale" and "stale" or "text missing") .. "}"
    return raw(table.concat({ "\\begin{gfblock}{upstream}",
      "\\gfcite{" .. id .. "}{" .. url:gsub("([#%%])", "\\%1") .. "}{" .. escape_tex(c.version) .. "}{" .. tex_inline_code(c.path) .. "}{" .. range .. "}{" .. state .. "}",
      code or "", gap and "\\gfmissing{" .. escape_tex(gap) .. (c.text and "" or " To see the text here: \\gfcode{make upstream}, then \\gfcode{make book}.") .. "}" or "\\gfnofoot",
      "\\end{gfblock}" }, "\n"))
  end
  local states = { verified = '<span class="ok">✓ verified</span>', stale = '<span class="bad">✗ stale</span>' }
  local html = "<figure class=" .. q("code upstream " .. c.state) .. " id=" .. q(id) .. "><figcaption class=" .. q("bar") .. "><span class=" .. q("source")
    .. ">CPython " .. escape_html(c.version) .. " · <a href=" .. q(url) .. ">" .. escape_html(c.path) .. "</a> · " .. range .. "</span><span class=" .. q("facts") .. ">"
    .. (states[c.state] or '<span class="bad">text missing</span>') .. "</span></figcaption>"
  if code then html = html .. pre(code, "CPython, " .. c.path .. ", lines " .. range, c.first, #lines) end
  if gap then
    html = html .. '<p class="gap">' .. escape_html(gap)
    if not c.text then
      html = html .. " To see the text here, run <code>make upstream</code>, then <code>make book</code>; until then, read "
        .. '<a href="' .. escape_html(url) .. '">' .. escape_html(table.concat(c.symbols, ", ")) .. " at the tag</a>."
    end
    html = html .. "</p>"
  end
  return raw(html .. "</figure>")
end

-- Claims ----------------------------------------------------------------------------------------------------

local configuration = { gil = "GIL", ft = "free-threaded", asan = "ASan", tsan = "TSan", upstream = "with CPython’s policy" }

local function claim_of(block)
  if not block or block.t ~= "Para" or not block.content[1] or block.content[1].t ~= "Strong" then return nil end
  local name = pandoc.utils.stringify(block.content[1].content):match("^Claim ([%w-]+)%.$")
  if name and not index.claims[name] then fail("claim " .. name .. " is not in the index: run make tangle") end
  return name
end

-- A claim is named in the text by its name, and shown by its number.
local function claims_named(text)
  local before, name, after = text:match("^([%(“]*)(%l[%l%d]*%-[%l%d-]*[%l%d])(.*)$")
  local claim = name and index.claimed[name]
  if not claim then return nil end
  local out = pandoc.List { pandoc.Str(before), pandoc.Link(claim.number, claim.chapter .. ".md#claim-" .. name), pandoc.Str(after) }
  return out:filter(function(part) return part.t ~= "Str" or part.text ~= "" end)
end

local function starts_with(block, word)
  return block and block.t == "Para" and block.content[1] and block.content[1].t == "Strong"
    and pandoc.utils.stringify(block.content[1].content) == word
end

-- "Ours." and "Differs." run in, in the book's second voice.
local function run_in(block)
  local lead = block.content[1].content
  block.content[1] = target == "latex" and pandoc.Span({ raw_inline("\\gflead{"), pandoc.Span(lead), raw_inline("}") })
    or pandoc.Span(lead, { class = "lead" })
  return block
end

local function without_lead(block)
  local content = pandoc.List(block.content)
  content:remove(1)
  while content[1] and (content[1].t == "Space" or content[1].t == "SoftBreak") do content:remove(1) end
  return content
end

-- The builds in which the claim was tested, by state: { pass = { "GIL", … }, … }; and how many there are.
local function results_of(name_of_claim)
  local configs, by_state = {}, { pass = {}, fail = {}, old = {}, notrun = {} }
  local results = index.claims[name_of_claim].results
  for name in pairs(results) do configs[#configs + 1] = name end
  local function rank(name)               -- the plain builds first, the default one before the free-threaded
    local kind = name:find("asan", 1, true) and 2 or name:find("tsan", 1, true) and 4 or name:find("upstream", 1, true) and 6 or 0
    return kind + (name:find("gil", 1, true) and 0 or 1)
  end
  table.sort(configs, function(a, b) return rank(a) < rank(b) or rank(a) == rank(b) and a < b end)
  for _, name in ipairs(configs) do
    local label = {}
    for part in name:gmatch("[^-]+") do label[#label + 1] = configuration[part] or part end
    table.insert(by_state[results[name]], table.concat(label, " "))
  end
  return by_state, #configs
end

local months = { "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December" }
local function tested_on()
  local y, m, d = (index.tested_at or ""):match("^(%d+)-(%d+)-(%d+)")
  return y and tonumber(d) .. " " .. months[tonumber(m)] .. " " .. y
end

-- "✓ 6 of 6 builds" while the results are of the code as it stands; which builds, and when, on demand.
local function badge(name)
  local builds, total = results_of(name)
  local state = index.claims[name].state
  local function of(names) return #names .. " of " .. total .. (total == 1 and " build" or " builds") end
  local word = ({ pass = of(builds.pass), fail = of(builds.fail), old = "passed before the last change", notrun = "not run" })[state]
  if target == "latex" then return "\\gfresult{" .. state .. "}{" .. word .. "}" end
  word = (({ pass = "✓ ", fail = "✗ fails in " })[state] or "") .. word
  if target ~= "html" or total == 0 then return '<span class="result ' .. state .. '">' .. word .. "</span>" end
  local lists = {}
  for _, kind in ipairs { { "fail", "✗ fails: " }, { "pass", "✓ passes: " }, { "old", "passed before the last change: " }, { "notrun", "not run since the last change: " } } do
    if #builds[kind[1]] > 0 then lists[#lists + 1] = kind[2] .. table.concat(builds[kind[1]], ", ") end
  end
  local when = tested_on() and '; <time datetime="' .. index.tested_at .. '">' .. tested_on() .. "</time>" or ""
  return '<details class="result ' .. state .. '"><summary>' .. word .. "</summary><span>" .. table.concat(lists, "; ") .. when .. "</span></details>"
end

-- Tests stand out of the reading line: in the pages folded where they are, on paper and in the EPUB at the chapter's end. A chunk whose
-- fence says {.c .shown} teaches something, and stays.
local set_aside = pandoc.List()

local function lines_in(blocks)
  local lines = 0
  for _, block in ipairs(blocks) do
    if block.t == "CodeBlock" then lines = lines + select(2, block.text:gsub("\n", "\n")) - 1 end
  end
  return lines == 1 and "1 line" or lines .. " lines"
end

local function fold(word, size, blocks, lead)
  if #blocks == 0 then return blocks end
  if target ~= "html" then
    if lead and target == "latex" then set_aside:insert(raw("\\gfneed{80pt}")) end
    if lead then set_aside:insert(lead) end
    set_aside:extend(blocks)
    return pandoc.List()
  end
  local out = pandoc.List { raw('<details class="tests" open><summary>' .. word .. " <small>" .. size .. "</small></summary>") }
  out:extend(blocks)
  out:insert(raw("</details>"))
  return out
end

local function claim_blocks(name, block, chunks)
  local out = pandoc.List()
  local text = pandoc.Para(without_lead(block))
  local id, number, shown, folded, aside = "claim-" .. name, index.claimed[name].number, pandoc.List(), pandoc.List(), pandoc.List()
  for _, chunk in ipairs(chunks) do
    if chunk.classes:includes("shown") then shown:extend(chunk_block(chunk))
    else
      aside:insert(chunk)
      folded:extend(chunk_block(chunk))
    end
  end
  local tests = {}
  for _, test in ipairs(index.claims[name].tests) do tests[#tests + 1] = tests[#tests] ~= test and test or nil end
  folded = fold(#tests == 1 and "Its test" or "Its " .. #tests .. " tests", lines_in(aside), folded,
    pandoc.Para { pandoc.Strong { pandoc.Str("Claim "), pandoc.Link(number, "#" .. id) }, pandoc.Str(" "), pandoc.Emph { pandoc.Str((name:gsub("%-", " "))) } })
  if target == "latex" then
    out:insert(raw("\\begin{gfclaim}{" .. id .. "}{" .. number .. "}{" .. badge(name) .. "}"))
    out:insert(text)
    out:insert(raw("\\end{gfclaim}" .. (#shown > 0 and "\\gfjoin" or "\\gfnojoin")))
    out:extend(shown)
    return out
  end
  local link = '<a class="number" href="' .. href(stem, id) .. '">Claim ' .. number .. "</a> <small class=name>" .. name .. "</small>"
  local inside = pandoc.List { raw('<div class="head"><div>' .. link .. '</div><div class="results">' .. badge(name) .. "</div></div>"), text }
  inside:extend(shown)
  inside:extend(folded)
  out:insert(pandoc.Div(inside, { id = id, class = "claim" }))
  return out
end

-- Figures ---------------------------------------------------------------------------------------------------

-- Meaning becomes colour: in the pages by the stylesheet, in print by these fills.
local print_fill = { hot = "#f6dcc8", cold = "#dce7f2", used = "#efe3c6", free = "#ffffff", note = "#f3f1ea" }

local function dot(block, id, options, text)
  local ok, made = pcall(pandoc.pipe, "dot", options, text)
  return ok and made or fail("figure " .. id .. ": dot could not draw it")
end

local function svg_figure(block, id, alt)
  local svg = dot(block, id, { "-Tsvg", "-Nfontname=Charis SIL", "-Efontname=Charis SIL", "-Gfontname=Charis SIL", "-Nfontsize=12",
    "-Efontsize=11", "-Gfontsize=12", "-Gbgcolor=transparent" }, block.text)
  local width, height = svg:match('<svg width="([%d.]+)pt" height="([%d.]+)pt"')
  local box, body = svg:match('viewBox="([^"]+)".-(<g id=.*</svg>)')
  body = body:gsub("<!%-%-.-%-%->%s*", ""):gsub("<title>.-</title>%s*", ""):gsub(' id="[^"]*"', ""):gsub('xlink:href="[^"]*"', "")
    :gsub('stroke="black"', 'stroke="currentColor"'):gsub('fill="black"', 'fill="currentColor"'):gsub(' font%-family="[^"]*"', "")
    :gsub("<a [^>]*>%s*", ""):gsub("</a>%s*", "")
  return string.format('<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="%s-alt" viewBox="%s" width="%.0f" height="%.0f">'
    .. '<title id="%s-alt">%s</title>%s', id, box, width * 4 / 3, height * 4 / 3, id, escape_html(alt), body)
end

local function pdf_figure(block, id)
  local text = block.text:gsub('class%s*=%s*"?(%a+)"?', function(class)
    return print_fill[class] and 'style="filled" fillcolor="' .. print_fill[class] .. '"' or ""
  end):gsub("(subgraph%s+cluster[%w_]*%s*{)", "%1 margin=8;")      -- the page's margin is half an inch unless it is 0; a cluster's is 8 points
  local made = dot(block, id, { "-Tpdf", "-Nfontname=Charis SIL", "-Efontname=Charis SIL", "-Gfontname=Charis SIL", "-Nfontsize=10",
    "-Efontsize=9", "-Gfontsize=10", "-Npenwidth=0.6", "-Epenwidth=0.6", "-Earrowsize=0.7", "-Gmargin=0" }, text)
  save(figures_dir .. "/" .. id .. ".pdf", made)
  return id .. ".pdf"
end

local function figure(block)
  local id = block.identifier
  local attributes = block.attributes
  if id == "" or not attributes.alt or not attributes.caption then fail("a figure needs #id, caption and alt") end
  local caption = pandoc.read(unescape(attributes.caption), "markdown").blocks[1].content
  local number = "Figure " .. figure_numbers[id]
  if target == "latex" then
    return pandoc.List { raw("\\begin{gffigure}{" .. id .. "}{" .. pdf_figure(block, id) .. "}"),
      pandoc.Para { raw_inline("\\leavevmode{\\itshape\\color{gfaccent}" .. number .. ".} "), pandoc.Span(caption) }, raw("\\end{gffigure}") }
  end
  return pandoc.List { raw('<figure class="drawing" id="' .. id .. '"><div class="art">' .. svg_figure(block, id, attributes.alt)
    .. '</div><figcaption><span class="number">' .. number .. "</span> "), pandoc.Plain(caption), raw("</figcaption></figure>") }
end

-- Moving figures: a recorded run, step by step. The block says in its own words what each step is, one line a step, led by who
-- acts and what is then to be seen; a line that does not fit the recording stops the weaver. ----------------------------------

local function trace_svg(frame, inside)
  return string.format('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d"%s</svg>',
    frame.width, frame.height, frame.width, frame.height, inside)
end

local function trace_figure(block)
  local id, attributes = block.identifier, block.attributes
  if id == "" or not attributes.alt or not attributes.caption or not attributes.src then fail("a moving figure needs #id, src, caption and alt") end
  local frames = index.traces[attributes.src] or fail("figure " .. id .. ": no book/traces/" .. attributes.src .. ".json: run make traces")
  local said = {}
  for line in block.text:gmatch("[^\n]+") do
    local key, words = line:match("^(.-)%s*|%s*(.*)$")
    local frame = frames[#said + 1]
    key = (key or line):gsub("%s+", " ")
    if not frame or key ~= frame.key then
      fail("figure " .. id .. ", step " .. #said + 1 .. ': the chapter says "' .. key .. '", the recording "' .. (frame and frame.key or "the end") .. '"')
    end
    said[#said + 1] = pandoc.read(unescape(words), "markdown").blocks[1].content
  end
  if #said ~= #frames then fail("figure " .. id .. ": the recording has " .. #frames .. " steps, the chapter tells " .. #said) end
  local caption = pandoc.read(unescape(attributes.caption), "markdown").blocks[1].content
  if index.traces_older then caption:extend { pandoc.Space(), pandoc.Emph("Recorded before the last change of the port, which does not compile.") } end
  local number, out = "Figure " .. figure_numbers[id], pandoc.List()
  if target == "latex" then
    local files = { "--format=pdf" }
    for i, frame in ipairs(frames) do
      local path = figures_dir .. "/" .. id .. "-" .. i .. ".svg"
      save(path, trace_svg(frame, ">" .. index.trace_style .. frame.svg))
      files[i + 1] = path
    end
    save(figures_dir .. "/" .. id .. ".pdf", pandoc.pipe("rsvg-convert", files, ""))
    out:insert(raw("\\begin{gfplay}{" .. id .. "}"))
    for i, words in ipairs(said) do
      out:extend { raw("\\gfstep{" .. i .. "}{figures/" .. id .. ".pdf}{" .. escape_tex(frames[i].how) .. "}{" .. tex_inline_code(frames[i].where) .. "}"), pandoc.Para(words), raw("\\gfstepend") }
    end
    out:extend { raw("\\end{gfplay}\\begin{gfplaycaption}"), pandoc.Para { raw_inline("\\leavevmode{\\itshape\\color{gfaccent}" .. number .. ".} "), pandoc.Span(caption) }, raw("\\end{gfplaycaption}") }
    return out
  end
  out:insert(raw('<figure class="drawing trace" id="' .. id .. '"><ol class="strip" aria-label="' .. escape_html(attributes.alt) .. '">'))
  for i, words in ipairs(said) do
    local frame = frames[i]
    out:extend { raw('<li><div class="art">' .. trace_svg(frame, ' aria-hidden="true">' .. frame.svg) .. '</div><p class="said">'), pandoc.Plain(words),
      raw("</p>" .. (frame.how ~= "" and '<p class="how">' .. escape_html(frame.how) .. (frame.where ~= "" and " in <code>" .. frame.where .. "</code>" or "") .. "</p>" or "") .. "</li>") }
  end
  out:extend { raw('</ol><figcaption><span class="number">' .. number .. "</span> "), pandoc.Plain(caption), raw("</figcaption></figure>") }
  return out
end

-- Lanes: a recorded run of a few threads, each step in the column of the thread that took it. The block tells in its own words the
-- steps that it picks, `B 12 | Its words.`; who acts at a step is held to the recording. ----------------------------------------

local function lanes_figure(block)
  local id, attributes = block.identifier, block.attributes
  if id == "" or not attributes.alt or not attributes.caption or not attributes.src then fail("lanes need #id, src, caption and alt") end
  local run = index.lanes[attributes.src]
    or fail("figure " .. id .. ": no book/traces/lanes-" .. attributes.src .. ".json: run " .. (attributes.schedule and "make traces" or "make museum TABLE=write"))
  local by_step, roles, threads, column, rows = {}, {}, {}, {}, {}
  for _, step in ipairs(run) do if step.step then by_step[step.step] = step end end
  for name, role in (attributes.roles or ""):gmatch("(%u)%s*:%s*([^,]+)") do roles[name] = role end
  for line in block.text:gmatch("[^\n]+") do
    local who, number, words = line:match("^(%u)%s+(%d+)%s*|%s*(.*)$")
    local step = number and by_step[tonumber(number)]
    if not step or step.who ~= who then
      fail("figure " .. id .. ': the chapter says "' .. line .. '", the recording ' .. (step and "that it was " .. step.who or "has no such step"))
    end
    if not column[who] then
      threads[#threads + 1] = who
      column[who] = true
    end
    rows[#rows + 1] = { who = who, words = pandoc.read(unescape(words), "markdown").blocks[1].content, did = step.did, where = step["in"] }
  end
  table.sort(threads)
  for i, name in ipairs(threads) do column[name] = i end
  local caption = pandoc.read(unescape(attributes.caption), "markdown").blocks[1].content
  local number, out = "Figure " .. figure_numbers[id], pandoc.List()
  if target == "latex" then
    out:insert(raw("\\begin{gflanes}{" .. id .. "}{" .. #threads .. "}"))
    for _, name in ipairs(threads) do out:insert(raw("\\gflanehead{" .. column[name] .. "}{" .. name .. (roles[name] and ", " .. escape_tex(roles[name]) or "") .. "}")) end
    for _, row in ipairs(rows) do
      out:extend { raw("\\gflane{" .. column[row.who] .. "}{" .. escape_tex(row.did) .. "}{" .. tex_inline_code(row.where) .. "}"), pandoc.Para(row.words), raw("\\gflaneend") }
    end
    out:extend { raw("\\end{gflanes}\\begin{gfplaycaption}"), pandoc.Para { raw_inline("\\leavevmode{\\itshape\\color{gfaccent}" .. number .. ".} "), pandoc.Span(caption) }, raw("\\end{gfplaycaption}") }
    return out
  end
  local head = {}
  for i, name in ipairs(threads) do head[i] = '<th scope="col">' .. name .. (roles[name] and " <small>" .. escape_html(roles[name]) .. "</small>" or "") .. "</th>" end
  out:insert(raw('<figure class="drawing lanes" id="' .. id .. '"><table aria-label="' .. escape_html(attributes.alt) .. '"><thead><tr>' .. table.concat(head) .. "</tr></thead><tbody>"))
  for _, row in ipairs(rows) do
    local at = column[row.who]
    out:extend { raw("<tr>" .. ("<td></td>"):rep(at - 1) .. '<td class="step" data-who="' .. row.who .. '"><p class="said">'), pandoc.Plain(row.words),
      raw('</p><p class="how">' .. escape_html(row.did) .. (row.where ~= "" and " in <code>" .. row.where .. "</code>" or "") .. "</p></td>" .. ("<td></td>"):rep(#threads - at) .. "</tr>") }
  end
  out:extend { raw('</tbody></table><figcaption><span class="number">' .. number .. "</span> "), pandoc.Plain(caption), raw("</figcaption></figure>") }
  return out
end

-- Reports: what a run wrote about itself, set as a part of the chapter; without one, what the block itself says ----

local function report_picture(report, picture, caption)
  local svg = report.pictures[picture] or fail("a report names the picture " .. picture .. ", and it is not beside it")
  if target == "latex" then
    local name = picture:gsub("%.svg$", ".pdf")
    save(figures_dir .. "/" .. name, pandoc.pipe("rsvg-convert", { "--format=pdf" }, svg))
    return pandoc.List { raw("\\begin{gffigure}{r-" .. picture:gsub("%W", "-") .. "}{" .. name .. "}"), pandoc.Para(caption), raw("\\end{gffigure}") }
  end
  svg = svg:gsub("^.-(<svg)", "%1"):gsub("<svg", '<svg role="img" aria-label="' .. escape_html(pandoc.utils.stringify(caption)) .. '"', 1)
  return pandoc.List { raw('<figure class="drawing"><div class="art">' .. svg .. "</div><figcaption>"), pandoc.Plain(caption), raw("</figcaption></figure>") }
end

local function report_blocks(block)
  local source = block.attributes.src or fail("a report needs src=")
  local report = index.reports[source]
  local out = pandoc.List()
  for _, b in ipairs(pandoc.read(report and report.text or block.text, "markdown-citations-tex_math_dollars-raw_tex").blocks) do
    local only = (b.t == "Para" or b.t == "Figure") and (b.t == "Figure" and b.content[1].content or b.content)[1]
    if only and only.t == "Image" then out:extend(report_picture(report, only.src, only.caption)) else out:insert(b) end
  end
  return out
end

-- Blocks ----------------------------------------------------------------------------------------------------

-- Tables: the browser finds the widths; print gets columns in proportion to their longest cells, with room for a piece that
-- cannot be broken.
local function table_block(block)
  local longest, floor, total = {}, {}, 0
  local function measure(rows)
    for _, row in ipairs(rows) do
      for i, cell in ipairs(row.cells) do
        local text = pandoc.utils.stringify(cell.contents)
        longest[i] = math.max(longest[i] or 4, math.min(utf8.len(text) or 0, 50))
        for piece in text:gmatch("[^%s_/]+") do floor[i] = math.max(floor[i] or 4, #piece) end
      end
    end
  end
  measure(block.head.rows)
  for _, body in ipairs(block.bodies) do measure(body.body) end
  for _, n in ipairs(longest) do total = total + n end
  local share, shares = {}, 0
  for i, n in ipairs(longest) do
    share[i] = math.max(n / total, math.min((floor[i] or 4) + 4, 16) / 68)
    shares = shares + share[i]
  end
  for i, spec in ipairs(block.colspecs) do
    block.colspecs[i] = { spec[1], target == "latex" and total > 60 and share[i] / shares or nil }
  end
  if target == "latex" then return pandoc.List { raw("\\begin{gftable}"), block, raw("\\end{gftable}") } end
  return pandoc.List { raw('<div class="table" tabindex="0" role="group" aria-label="Table">'), block, raw("</div>") }
end

-- <details>: the pages keep it; print has no folds and sets "Hint." in smaller type.
local function details_in_print(block)
  local html = block.text
  local out = ""
  if html:match("<details") then out = "\\begin{gfhint}" end
  if html:match("<summary") then out = out .. "\\gfhintlead{" end
  local summary = html:match("<summary>(.-)</summary>")
  if summary then out = out .. escape_tex(summary) end
  if html:match("</summary") then out = out .. "}" end
  if html:match("</details") then out = out .. "\\end{gfhint}" end
  return raw(out)
end

local function simple_block(block)
  if block.t == "CodeBlock" then
    if chunk_of(block) then return chunk_block(block) end
    if block.classes:includes("dot") then return figure(block) end
    if block.classes:includes("trace") then return trace_figure(block) end
    if block.classes:includes("lanes") then return lanes_figure(block) end
    if block.classes:includes("report") then
      local out = pandoc.List()
      for _, b in ipairs(report_blocks(block)) do
        if b.t == "RawBlock" then out:insert(b) else out:extend(simple_block(b)) end
      end
      return out
    end
    return { whole_of(block) and whole_block(block) or plain_code(block) }
  elseif block.t == "Table" then
    return table_block(block)
  elseif starts_with(block, "Ours.") or starts_with(block, "Differs.") or starts_with(block, "Same but for names.")
    or starts_with(block, "Checkpoint.") or starts_with(block, "The call.") then
    return { run_in(block) }
  elseif block.t == "RawBlock" and target == "latex" and block.format == "html" then
    return { details_in_print(block) }
  end
  return { block }
end

-- Whether the pair that starts at blocks[i] goes into two printed columns: few of its lines are too long for that.
local function columns_fit(blocks, i)
  local total, long, sides = 0, 0, 0
  local function count(text)
    for line in (text .. "\n"):gmatch("(.-)\n") do
      total, long = total + 1, long + ((utf8.len(line) or #line) > HALF_COLUMNS and 1 or 0)
    end
  end
  while citation_of(blocks[i]) do
    count(index.citations[citation_of(blocks[i])].text or "")
    i = i + 1
  end
  while chunk_of(blocks[i]) and index.chunks[chunk_of(blocks[i])].role == "port" do
    count(blocks[i].text)
    sides = sides + 1
    i = i + 1
  end
  return sides > 0 and long <= math.max(2, total * 0.15)
end

-- The runs of blocks that belong together: a pair with its caption, a claim with its tests.
local group
function group(blocks)
  local in_the_test_bench = tonumber(stem:match("^%d+")) > 80        -- an appendix is about nothing else
  local out, i = pandoc.List(), 1
  local aside                     -- how much was set aside when the last heading came
  local function leave_no_empty_section()
    local heading = out[#out]
    if heading and heading.t == "Header" and aside and #set_aside > aside then
      heading.level = 3
      set_aside:insert(aside + 1, heading)
      out[#out] = nil
    end
  end
  while i <= #blocks do
    local block = blocks[i]
    if block.t == "Header" then
      leave_no_empty_section()
      aside = #set_aside
    end
    local url, claim = citation_of(block), claim_of(block)
    if url then
      local left, right = pandoc.List(), pandoc.List()
      local facing = target == "latex" and columns_fit(blocks, i)
      if facing then print_columns = HALF_COLUMNS end
      while citation_of(blocks[i]) do
        left:insert(citation_block(citation_of(blocks[i])))
        i = i + 1
      end
      while whole_of(blocks[i]) or chunk_of(blocks[i]) and index.chunks[chunk_of(blocks[i])].role == "port" do
        if whole_of(blocks[i]) then right:insert(whole_block(blocks[i])) else right:extend(chunk_block(blocks[i])) end
        i = i + 1
      end
      print_columns = TEXT_COLUMNS
      local says = starts_with(blocks[i], "Differs.") or starts_with(blocks[i], "Same but for names.")
      local differs = #right > 0 and says and run_in(blocks[i])
      if differs then i = i + 1 end
      if target == "latex" or #right == 0 then
        if facing then out:insert(raw("\\begin{gffacing}")) end
        out:extend(left)
        if facing then out:insert(raw("\\gfother")) end
        if differs and not facing and target == "latex" then      -- the caption stays on the page of the block's end
          right[#right] = raw((right[#right].text:gsub("\\end{gfblock}$", "\\gfheldtrue%0")))
        end
        out:extend(right)
        if facing then out:insert(raw((differs and "\\gfheldtrue" or "") .. "\\end{gffacing}")) end
        if differs then out:extend { raw("\\begin{gfdiffers}"), differs, raw("\\end{gfdiffers}") } end
      else
        local inside = pandoc.List { pandoc.Div(left, { class = "side left" }), pandoc.Div(right, { class = "side right" }) }
        if differs then inside:insert(pandoc.Div({ differs }, { class = "differs" })) end
        out:insert(pandoc.Div(inside, { class = "pair" }))
      end
    elseif claim then
      local chunks = pandoc.List()
      i = i + 1
      while chunk_of(blocks[i]) and index.chunks[chunk_of(blocks[i])].role == "test" do
        chunks:insert(blocks[i])
        i = i + 1
      end
      out:extend(claim_blocks(claim, block, chunks))
    elseif chunk_of(block) and index.chunks[chunk_of(block)].role == "test" and not block.classes:includes("shown") and not in_the_test_bench then
      local chunks, aside = pandoc.List(), pandoc.List()
      while chunk_of(blocks[i]) and index.chunks[chunk_of(blocks[i])].role == "test" do
        aside:insert(blocks[i])
        chunks:extend(chunk_block(blocks[i]))
        i = i + 1
      end
      out:extend(fold("For the tests", lines_in(aside), chunks))
    elseif block.t == "Div" and block.classes:includes("tests") then
      out:extend(fold("For the tests", lines_in(block.content), group(block.content)))
      i = i + 1
    else
      local next = blocks[i + 1]
      if target == "latex" and block.t == "Header" and next and (next.t == "Table" or citation_of(next) or claim_of(next) or chunk_of(next)) then
        out:insert(raw("\\gfneed{150pt}"))
      end
      out:extend(simple_block(block))
      i = i + 1
    end
  end
  leave_no_empty_section()
  return out
end

-- Chapter head: the number, the title, what it covers and ports, how long it takes, how its claims stand.
local function minutes_of(blocks)
  local words = 0
  pandoc.Div(blocks):walk {
    Str = function(s) if s.text:match("%w") then words = words + 1 end end,
    Code = function() words = words + 1 end,
  }
  local minutes = math.ceil(words / 220 + code_lines * 4 / 60)
  return minutes > 10 and math.ceil(minutes / 5) * 5 or math.max(minutes, 1)
end

local function opening(header, quote, minutes)
  local covers, ports, needs = pandoc.List(), nil, nil
  for _, block in ipairs(quote and quote.content or {}) do
    if starts_with(block, "Covers.") then covers:insert(pandoc.Para(without_lead(block)))
    elseif starts_with(block, "Ports.") then ports = pandoc.Plain(without_lead(block))
    elseif starts_with(block, "Needs.") then needs = pandoc.Plain(without_lead(block))
    else covers:insert(block) end
  end
  local title, claims = header.content, index.standing
  local time = minutes .. (minutes == 1 and " minute" or " minutes") .. (claims and ", the tests aside" or "")
  local number = chapter.number
  if target == "latex" then
    local out = pandoc.List { pandoc.Plain { raw_inline("\\gfchapter{" .. chapter_id(stem) .. "}{" .. number .. "}{"), pandoc.Span(title), raw_inline("}") },
      raw("\\begin{gfopening}") }
    out:extend(covers)
    out:insert(raw("\\gffacts"))
    if ports then out:insert(pandoc.Plain { raw_inline("\\gffact{Ports}{"), pandoc.Span(ports.content), raw_inline("}") }) end
    if needs then out:insert(pandoc.Plain { raw_inline("\\gffact{Needs}{"), pandoc.Span(needs.content), raw_inline("}") }) end
    out:insert(raw("\\gffact{Reading time}{" .. time .. "}"))
    if claims then out:insert(raw("\\gffact{Claims}{" .. claims .. "}")) end
    out:insert(raw("\\end{gfopening}"))
    return out
  end
  local heading = pandoc.Inlines(title)
  if number ~= "" then
    heading:insert(1, pandoc.Space())
    heading:insert(1, pandoc.Span(number, { class = "chapter-number" }))
  end
  local facts = pandoc.List { raw("<dl>") }
  if ports then facts:extend { raw("<div><dt>Ports</dt><dd>"), ports, raw("</dd></div>") } end
  if needs then facts:extend { raw("<div><dt>Needs</dt><dd>"), needs, raw("</dd></div>") } end
  facts:insert(raw("<div><dt>Reading time</dt><dd>" .. time .. "</dd></div>"))
  if claims then facts:insert(raw("<div><dt>Claims</dt><dd>" .. claims .. "</dd></div>")) end
  facts:insert(raw("</dl>"))
  covers:extend(facts)
  return pandoc.List { pandoc.Header(1, heading, { id = chapter_id(stem) }),
    pandoc.Div(covers, { class = "opening", ["data-minutes"] = tostring(minutes) }) }
end

-- Terms and references -------------------------------------------------------------------------------------

-- The first use of a glossary's term in a chapter's running text leads to the glossary.
local linked_terms = {}

local function term_at(inlines, i)
  local words, found, last = {}, nil, nil
  for n = 0, 3 do
    local word, gap = inlines[i + 2 * n], n > 0 and inlines[i + 2 * n - 1]
    if not word or word.t ~= "Str" or (gap and gap.t ~= "Space" and gap.t ~= "SoftBreak") then break end
    words[#words + 1] = word.text:lower():gsub("’", "'")
    local phrase = table.concat(words, " ")
    for _, form in ipairs { phrase, (phrase:gsub("[.,;:!?)]+$", "")) } do
      local term = index.terms[form]
      if term and not linked_terms[term.id] then found, last = term, i + 2 * n end
    end
    if word.text:find("[.,;:!?)]$") then break end
  end
  return found, last
end

local function link_terms(inlines)
  local out, i = pandoc.List(), 1
  while i <= #inlines do
    local term, last = term_at(inlines, i)
    if term then
      linked_terms[term.id] = true
      local content, tail = pandoc.List(), inlines[last].text:match("[.,;:!?)]*$")
      for j = i, last do content:insert(inlines[j]) end
      content[#content] = pandoc.Str(inlines[last].text:sub(1, #inlines[last].text - #tail))
      out:insert(pandoc.Link(content, "90-glossary.md#" .. term.id, target == "latex" and "" or term.brief, { class = "term" }))
      if tail ~= "" then out:insert(pandoc.Str(tail)) end
      i = last
    else
      out:insert(inlines[i])
    end
    i = i + 1
  end
  return out
end

local function terms_in(blocks)
  for _, block in ipairs(blocks) do
    local first = block.content and block.content[1]
    local claim = block.t == "Para" and first and first.t == "Strong" and pandoc.utils.stringify(first):match("^Claim")
    if (block.t == "Para" or block.t == "Plain") and not claim and not citation_of(block) then
      block.content = link_terms(block.content)
    elseif block.t == "BulletList" or block.t == "OrderedList" then
      for _, item in ipairs(block.content) do terms_in(item) end
    end
  end
  return blocks
end

-- The bibliography: citeproc's entries, each with the chapters that cite it.
local function reference_blocks(entries)
  local out = pandoc.List()
  for _, entry in ipairs(entries) do
    local content = pandoc.utils.blocks_to_inlines(entry.content)
    local stems = index.cited[entry.identifier:gsub("^ref%-", "")] or {}
    local chapters = 0
    content:extend { pandoc.Space(), pandoc.Str("Cited in ") }
    for i, other in ipairs(stems) do
      local n = tonumber(other:match("^%d+"))
      if n == 0 then
        content:insert(pandoc.Str("the\u{a0}"))
      elseif chapters == 0 then
        content:insert(pandoc.Str((i > 1 and "in " or "") .. (#stems > i and "chapters\u{a0}" or "chapter\u{a0}")))
      end
      chapters = chapters + (n > 0 and 1 or 0)
      content:extend { pandoc.Link(n == 0 and "preface" or tostring(n), other .. ".md#further-reading"),
        pandoc.Str(i == #stems and "." or n == 0 and " and " or ", ") }
    end
    if target == "latex" then
      content:insert(1, raw_inline("\\gfreference{" .. entry.identifier .. "}"))
      out:insert(pandoc.Para(content))
    else
      out:insert(pandoc.Div({ pandoc.Para(content) }, { id = entry.identifier, class = "reference" }))
    end
  end
  return out
end

-- Inlines ---------------------------------------------------------------------------------------------------

local function rewrite_link(link)
  local other, part = link.target:match("^([%w-]+)%.md#?(.*)$")
  if not other and link.target:sub(1, 1) == "#" then other, part = stem, link.target:sub(2) end
  if not other then return nil end
  local own = part:match("^c%-") or part:match("^claim%-") or part:match("^fig%-") or part:match("^u%-")
  if part:match("^ref%-%a") then other, own = "91-bibliography", true end       -- what citeproc made of [-@knuth1984]
  local id = part == "" and chapter_id(other) or own and part or section_id(other, part)
  if #link.content == 0 and figure_numbers[part] then link.content = pandoc.Inlines("Figure " .. figure_numbers[part]) end
  if target == "latex" then
    local out = pandoc.List { raw_inline("\\hyperref[" .. id .. "]{") }
    out:extend(link.content)
    out:insert(raw_inline("}"))
    return out
  end
  -- EPUB: pandoc itself finds the file of a bare fragment.
  link.target = (target == "html" and other ~= stem) and other .. ".html" .. (part == "" and "" or "#" .. id) or "#" .. id
  return link
end

-- What citeproc made of [-@knuth1984]: (1984), and what stands in the brackets leads to the entry. Not by link-citations, which pandoc
-- heeds or not by its version.
local function cited(cite)
  if #cite.citations ~= 1 then fail("cite one reference at a time: [-@one] [-@two]") end
  local inside = cite.content
  local first, last = inside[1], inside[#inside]
  if not (first and first.t == "Str" and first.text:match("^%(.") and last.t == "Str" and last.text:match(".%)$")) then
    fail("the citation of " .. cite.citations[1].id .. " is not in brackets: cite as in [-@" .. cite.citations[1].id .. "]")
  end
  first.text = first.text:sub(2)
  last.text = last.text:sub(1, -2)
  return { pandoc.Str("("), pandoc.Link(inside, "#ref-" .. cite.citations[1].id), pandoc.Str(")") }
end

local known_tags = { br = true, kbd = true, sub = true, sup = true, abbr = true, wbr = true, b = true, i = true, em = true, a = true,
  code = true, span = true, summary = true, details = true, small = true, var = true, q = true, s = true }

-- Code in a link or a heading stays as it is; elsewhere the name of something that we define leads to it.
local function quiet(inlines) return inlines:walk { Code = function(c) c.classes:insert("quiet"); return c end } end

local inline_filters = {
  { Cite = cited },
  { Link = function(l) l.content = quiet(l.content); return l end,
    Header = function(h) h.content = quiet(h.content); return h end },
  { Str = function(s) s.text = unescape(s.text); return claims_named(s.text) or s end,
    RawInline = function(r)      -- pandoc takes @<<name>> in prose for a tag
      local tag = r.text:match("^</?([%w]+)")
      if r.format == "html" and not (tag and known_tags[tag]) and not r.text:match("^<!") then return pandoc.Str(r.text) end
    end,
    Code = function(c)
      local text, silent = unescape(c.text), c.classes:includes("quiet")
      local entry = not silent and index.identifiers[text:gsub("%(%)$", "")]
      if entry and entry.test and #text < 4 then entry = nil end
      local out = target == "latex" and raw_inline(tex_inline_code(text)) or pandoc.Code(text)
      if not entry then return out end
      if target == "latex" then return { raw_inline("\\hyperref[" .. entry.def_id .. "]{"), out, raw_inline("}") } end
      return pandoc.Link({ out }, target == "epub" and "#" .. entry.def_id or href(entry.chapter, entry.def_id), "", { class = "id" })
    end },
  { Link = rewrite_link },
}

-- Footnotes in the pages: beside the text where there is room, and again at the end for where there is not.
-- The stylesheet shows one of the two.
local function sidenotes(blocks)
  local notes = pandoc.List()
  blocks = blocks:walk { Note = function(note)
    local n = tostring(#notes + 1)
    local back = pandoc.Link("↩", "#ref-" .. n, "", { class = "back", ["aria-label"] = "Back to the text" })
    local inlines = pandoc.utils.blocks_to_inlines(note.content, { pandoc.LineBreak() })
    local last = note.content[#note.content]
    if last.t == "Para" then last.content:extend { pandoc.Space(), back } else note.content:insert(pandoc.Plain { back }) end
    notes:insert({ pandoc.Div(note.content, { id = "note-" .. n }) })
    local span = pandoc.Span(inlines, { class = "sidenote", id = "side-" .. n })
    span.content:insert(1, raw_inline('<span class="n">' .. n .. "</span> "))
    return { raw_inline('<sup class="noteref" id="ref-' .. n .. '"><a class="near" href="#side-' .. n .. '">' .. n
      .. '</a><a class="far" href="#note-' .. n .. '">' .. n .. "</a></sup>"), span }
  end }
  if #notes > 0 then
    blocks:insert(pandoc.Div({ pandoc.Para { pandoc.Str("Notes") }, pandoc.OrderedList(notes) }, { class = "footnotes", role = "doc-endnotes" }))
  end
  return blocks
end

local function headings(blocks)
  return blocks:walk { Header = function(h)
    if h.level == 1 then return nil end
    if target == "html" then
      h.content:extend { raw_inline('<a class="permalink" href="#' .. h.identifier .. '" aria-label="Link to this section">#</a>') }
    end
    h.identifier = section_id(stem, h.identifier)
    if target == "latex" and stem == "90-glossary" and h.level == 3 then
      local lead = pandoc.List { raw_inline("\\gfterm{" .. h.identifier .. "}{") }
      lead:extend(h.content)
      lead:insert(raw_inline("}"))
      return pandoc.Plain(lead)
    end
    return h
  end }
end

-- The chapter -----------------------------------------------------------------------------------------------

function Pandoc(doc)
  local function meta(name) return doc.meta[name] and pandoc.utils.stringify(doc.meta[name]) end
  target, stem, figures_dir = meta("gf-target"), meta("gf-stem"), meta("gf-figures")
  local code_path = meta("gf-code")
  load_code(code_path)
  index = dofile(meta("gf-index"))
  for _, c in ipairs(index.chapters) do if c.stem == stem then chapter = c end end
  doc.meta = pandoc.Meta {}

  local header, quote, body = nil, nil, pandoc.Blocks {}
  local figures = 0
  for i, block in ipairs(doc.blocks) do
    if i == 1 and block.t == "Header" and block.level == 1 then header = block
    elseif i == 2 and header and block.t == "BlockQuote" then quote = block
    elseif block.t == "Div" and block.identifier == "refs" then
      body:extend(reference_blocks(block.content))
    else
      body:insert(block)
      if block.t == "CodeBlock" and (block.classes:includes("dot") or block.classes:includes("trace") or block.classes:includes("lanes")) then
        figures = figures + 1
        figure_numbers[block.identifier] = (chapter.number ~= "" and chapter.number .. "." or "") .. figures
      end
    end
  end
  if not header then fail("the first line must be the chapter's title: # Title") end

  local prose = pandoc.List(body:filter(function(b) return b.t ~= "CodeBlock" end))
  body = group(terms_in(body))
  if #set_aside > 0 then
    body:insert(pandoc.Header(2, "Tests of this chapter", { id = "tests-of-this-chapter" }))
    body:extend(set_aside)
  end
  body = pandoc.Blocks(body):walk { Blocks = function(list)   -- code inside lists and quotations
    local out = pandoc.List()
    for _, block in ipairs(list) do
      if block.t == "CodeBlock" or (block.t == "RawBlock" and block.format == "html" and target == "latex") then
        out:extend(simple_block(block))
      else
        out:insert(block)
      end
    end
    return out
  end }
  local blocks = pandoc.Blocks(opening(header, quote, minutes_of(prose)))
  blocks:extend(body)
  for _, filter in ipairs(inline_filters) do blocks = blocks:walk(filter) end
  if target == "html" then blocks = sidenotes(blocks) end
  save_code(code_path)
  return pandoc.Pandoc(headings(blocks), doc.meta)
end
