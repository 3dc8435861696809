-- Figures, tables and references for the report: one filter for both writers, so that the PDF and the web page agree.
--   ::: {.figure #fig:stage-name src=file alt="…"}  caption  :::      becomes a numbered figure
--   ::: {.table #tbl:stage-name}  table, caption  :::                 becomes a numbered table
--   [@fig:stage-name]   becomes a link to it, or says that this run does not have it;   [@key] is a citation when the
--   bibliography has the key, and plain text if it does not;   formulas carry their source as alternative text;
--   numbers have true minus signs and stay with their percent sign.
local typst = FORMAT == "typst"
-- A table stays in one piece up to LONG rows, and from FLOAT rows on the text may flow on around it, as around figures.
local FLOAT, LONG = 6, 26
local names = { fig = "a figure", tbl = "a table" }
local label, counter, sources = {}, { Figure = 0, Table = 0 }, {}

local function quoted(text)
  return '"' .. text:gsub("%s+", " "):gsub('[\\"]', "\\%0") .. '"'
end

local function to_typst(blocks)
  return pandoc.write(pandoc.Pandoc(blocks), "typst-smart"):gsub("%s+$", "")
end

local function number(kind, id)
  counter[kind] = counter[kind] + 1
  label[id] = kind .. " " .. counter[kind]
  return label[id]
end

local function caption_of(blocks, name)
  if typst then return blocks end
  local first = blocks[1] or pandoc.Plain {}
  first = pandoc.Plain(pandoc.List { pandoc.Strong(name .. "."), pandoc.Space() } .. (first.content or {}))
  return pandoc.Blocks { first } .. pandoc.Blocks { table.unpack(blocks, 2) }
end

local function breakable(grid)
  local open = "#[#show figure: set block(breakable: true)\n#set figure(numbering: "
  open = open .. (grid.identifier == "" and "none)" or '"1")')
  return { pandoc.RawBlock("typst", open), grid, pandoc.RawBlock("typst", "]") }
end

local function floating(grid)
  return { pandoc.RawBlock("typst", "#[#set figure(placement: auto)"), grid, pandoc.RawBlock("typst", "]") }
end

local function number_floats(div)
  if div.classes:includes "figure" then
    local caption = caption_of(div.content, number("Figure", div.identifier))
    local image = pandoc.Image({ pandoc.Str(div.attributes.alt) }, div.attributes.src)
    return pandoc.Figure(pandoc.Plain { image }, { long = caption }, { id = div.identifier })
  end
  if div.classes:includes "table" then
    local grid, caption = nil, pandoc.Blocks {}
    for _, block in ipairs(div.content) do
      if block.t == "Table" and not grid then grid = block else caption:insert(block) end
    end
    if not grid then return div.content end
    grid.identifier = div.identifier
    grid.caption = { long = caption_of(caption, number("Table", div.identifier)) }
    local rows, pictures = grid.bodies[1] and #grid.bodies[1].body or 0, 0
    grid:walk { Image = function() pictures = pictures + 1 end }
    if not typst then return grid end
    if rows > LONG or pictures > 0 then return breakable(grid) end
    return rows >= FLOAT and not grid.identifier:match "^tbl:appendix" and floating(grid) or grid
  end
end

local function resolve(cite)
  local id = cite.citations[1].id
  if id:match "^fig:" or id:match "^tbl:" then
    if not label[id] then return pandoc.Emph(names[id:match "^..."] .. " that is not part of this run") end
    return typst and pandoc.RawInline("typst", "#ref(label(" .. quoted(id) .. "))") or pandoc.Link(label[id], "#" .. id)
  end
  for _, citation in ipairs(cite.citations) do
    if not sources[citation.id] then return cite.content end
  end
end

local function formula(math)
  if not typst then return nil end
  local written = to_typst { pandoc.Plain { math } }
  return pandoc.RawInline("typst", "#[#set math.equation(alt: " .. quoted(math.text) .. ")\n" .. written .. "]")
end

local function plain_table(grid)
  if typst and grid.identifier == "" then return breakable(grid), false end
end

-- Figures gather at the foot of a page, the text flows on above them: so they keep their order, and no page stays empty.
local function figure(float)
  if not typst or not float.identifier:match "^fig:" then return nil end
  local image = float.content[1].content[1]
  local written = string.format("#figure(image(%s, alt: %s), kind: image, placement: bottom, caption: [%s]) <%s>",
    quoted(image.src), quoted(pandoc.utils.stringify(image.caption)), to_typst(float.caption.long), float.identifier)
  return pandoc.RawBlock("typst", written)
end

local function picture(image)
  if not typst then return nil end
  local alt = pandoc.utils.stringify(image.caption)
  local size = ""
  for _, side in ipairs { "width", "height" } do
    if image.attributes[side] then size = size .. ", " .. side .. ": " .. image.attributes[side] end
  end
  return pandoc.RawInline("typst", string.format("#box(image(%s, alt: %s%s))", quoted(image.src), quoted(alt), size))
end

local function marker(div)
  local call = ({ contents = "#contents()", flush = "#place.flush()" })[div.identifier]
  if call then return typst and pandoc.RawBlock("typst", call) or {} end
end

local function without_empty_sections(blocks)
  local kept = pandoc.Blocks {}
  for at, block in ipairs(blocks) do
    local following = blocks[at + 1]
    local empty = block.t == "Header" and (not following or following.t == "Header" and following.level <= block.level)
    if not empty then kept:insert(block) end
  end
  return kept
end

local function typography(inlines)
  for at, inline in ipairs(inlines) do
    local following = inlines[at + 1]
    if inline.t == "Str" then
      inline.text = inline.text:gsub("^([%(%[]*)%-(%d)", "%1−%2"):gsub("(%d)%%([%)%].,;:]*)$", "%1\u{a0}%%%2")
    elseif inline.t == "Space" and following and following.t == "Str" and following.text:match "^%%" then
      inlines[at] = pandoc.Str "\u{a0}"
    end
  end
  return inlines
end

local depth = 0
local function heading(header)
  depth = math.min(header.level, depth + 1)
  header.level = depth
  return header
end

function Pandoc(document)
  document.blocks = without_empty_sections(document.blocks)
  for _, reference in ipairs(pandoc.utils.references(document)) do sources[reference.id] = true end
  return document:walk { Inlines = typography }
    :walk { Div = number_floats }
    :walk { Cite = resolve, Math = formula, Header = heading }
    :walk { Figure = figure, Div = marker, Table = plain_table, traverse = "topdown" }
    :walk { Image = picture }
end
