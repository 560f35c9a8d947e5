"""The report as one HTML file that an auditor can be handed: no script, nothing fetched, made to be printed.

Every text goes through `escape`; the policy in the head forbids scripts and fetches even if one did not.
"""

from collections.abc import Iterator
from html import escape

from gateway.compliance.report import Line, Report, Verdict
from gateway.compliance.text import stamp

_CLASS = {
    Verdict.MET: "met",
    Verdict.DEVIATING: "dev",
    Verdict.NOT_BUILT: "todo",
    Verdict.NOT_APPLICABLE: "na",
}
_STYLE = """
:root{--ink:#1b2430;--soft:#5b6776;--line:#d9dee5;--pale:#f5f7f9}
*{box-sizing:border-box}
body{margin:0;background:#e9ecf0;color:var(--ink);font:14px/1.5 "Source Sans 3","Segoe UI","Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:32px auto;background:#fff;padding:48px 56px;border-top:6px solid #23466f;box-shadow:0 1px 6px #0002}
h1{font-size:28px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:17px;margin:36px 0 10px;padding-bottom:6px;border-bottom:2px solid var(--ink)}
p{margin:4px 0}.soft{color:var(--soft)}
.tiles{display:flex;gap:12px;margin:24px 0 8px}
.tile{flex:1;border:1px solid var(--line);border-left:5px solid;padding:10px 14px}
.tile b{display:block;font-size:28px;line-height:1.15}
.met{--c:#1c7a46}.dev{--c:#b3261e}.todo{--c:#8a6100}.na{--c:#5b6776}
.tile{border-left-color:var(--c)}.tile b{color:var(--c)}
ul.facts{columns:2;column-gap:40px;margin:0;padding:0;list-style:none}
ul.facts li{break-inside:avoid;hyphens:none;padding:4px 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse;table-layout:fixed}
thead th{text-align:left;font-size:.88em;color:var(--soft);font-weight:600;padding:6px 10px 6px 0;border-bottom:1px solid var(--ink)}
td{vertical-align:top;padding:11px 14px 11px 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
col.id{width:66px}col.demand{width:27%}col.verdict{width:22%}
td.id{font-weight:700;white-space:nowrap}
.badge{display:inline-block;padding:1px 9px;border-radius:3px;background:var(--c);color:#fff;font-size:.88em;font-weight:600}
.why{margin-top:5px;font-size:.93em}
dl{margin:0}dt{font-size:.8em;color:var(--soft);font-weight:600;margin-top:7px}dt:first-child{margin-top:0}dd{margin:0}
code{font:.88em/1.45 "Source Code Pro",Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
ul.tests{margin:0;padding-left:16px}a{color:#23466f}
dl.appendix{columns:2;column-gap:32px;font:11px/1.5 "Source Code Pro",Menlo,Consolas,"DejaVu Sans Mono",monospace}
dl.appendix dt{font-size:12px;color:var(--ink);margin-top:10px;break-after:avoid}dl.appendix dd{overflow-wrap:anywhere;padding-left:12px;text-indent:-12px}
footer{margin-top:36px;padding-top:12px;border-top:1px solid var(--line);color:var(--soft);font-size:12px}
.sign{display:flex;gap:40px;margin-top:44px}.sign div{flex:1;border-top:1px solid var(--ink);padding-top:4px;font-size:12px;color:var(--soft)}
@media(max-width:760px){main{padding:24px 18px;margin:0}.tiles{flex-wrap:wrap}.tile{flex:1 1 40%}ul.facts{columns:1}}
@media print{@page{size:A4 landscape;margin:14mm}body{background:#fff;font-size:11px}main{margin:0;padding:0;max-width:none;box-shadow:none;border-top:0}
tr{break-inside:avoid}thead{display:table-header-group}h2{break-after:avoid}.badge,.tile{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
SHOWN = 2
"""Tests named in the table itself; the appendix has them all."""
_SAFE = "default-src 'none'; style-src 'unsafe-inline'"
_READING = (
    "A row is met only where a setting or a mechanism answers it, an automated test cites it, and no fact of the live "
    "system speaks against it. Deviating: this installation breaks it now. Not built yet: this version of the gateway "
    "does not answer it, or not wholly; other controls must. Demands are in our own words; the source is authoritative."
)


def as_html(report: Report) -> str:
    """Return the whole file."""
    title = escape(f"Compliance report: {report.title}")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_SAFE)}"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body><main>\n"
        f"{_head(report)}{_tiles(report)}{_facts(report)}{_deviations(report)}{_table(report)}{_foot(report)}{_appendix(report)}</main></body></html>\n"
    )


def _head(report: Report) -> str:
    other = "" if report.configured == report.profile else " — measured by another profile than the one it runs under"
    return (
        f"<h1>Compliance report: {escape(report.title)}</h1>\n"
        f'<p class="soft">Profile <b>{escape(report.profile)}</b> · gateway {escape(report.version)} · configured profile '
        f"{escape(report.configured)}{other} · {stamp(report.made)}</p>\n"
    )


def _tiles(report: Report) -> str:
    tiles = (
        f'<div class="tile {_CLASS[verdict]}"><b>{count}</b>{verdict.value}</div>'
        for verdict, count in report.counts.items()
    )
    return f'<div class="tiles">{"".join(tiles)}</div>\n<p class="soft">{_READING}</p>\n'


def _facts(report: Report) -> str:
    facts = "".join(f"<li>{escape(fact[:1].upper() + fact[1:])}</li>" for fact in report.summary)
    return f'<h2>The live system</h2>\n<ul class="facts">{facts}</ul>\n'


def _deviations(report: Report) -> str:
    found = [line for line in report.lines if line.verdict is Verdict.DEVIATING]
    items = "".join(f"<li><b>{escape(line.row.id)}</b> {escape(line.why)}</li>" for line in found)
    return f'<h2>Deviations</h2>\n<ul class="deviations">{items}</ul>\n' if found else ""


def _table(report: Report) -> str:
    rows = "".join(map(_row, report.lines))
    return (
        '<h2>Row by row</h2>\n<table><colgroup><col class="id"/><col class="demand"/><col class="verdict"/><col/></colgroup>'
        "<thead><tr><th>Row</th><th>What it demands</th><th>Verdict</th><th>What answers it, and what proves it</th></tr></thead>"
        f"\n<tbody>\n{rows}</tbody></table>\n"
    )


def _row(line: Line) -> str:
    label = "Missing: " if line.verdict is Verdict.NOT_BUILT else ""
    why = f'<div class="why">{label}{_with_code(line.why)}</div>' if line.why else ""
    return (
        f'<tr class="{_CLASS[line.verdict]}"><td class="id">{escape(line.row.id)}</td><td>{escape(line.row.demand)}</td>'
        f'<td><span class="badge">{line.verdict.value}</span>{why}</td><td><dl>{"".join(_answers(line))}</dl></td></tr>\n'
    )


def _answers(line: Line) -> Iterator[str]:
    if line.settings:
        yield "<dt>Settings</dt>"
        yield from (f"<dd><code>{escape(name)}</code> = {escape(value)}</dd>" for name, value in line.settings)
    if line.row.mechanism:
        yield f"<dt>Mechanism</dt><dd>{_with_code(line.row.mechanism)}</dd>"
    if line.evidence:
        yield "<dt>Evidence</dt>"
        yield from (f"<dd>{escape(fact)}</dd>" for fact in line.evidence)
    if line.row.tests:
        yield f"<dt>Tests: {len(line.row.tests)}</dt><dd>{_tests(line)}</dd>"


def _tests(line: Line) -> str:
    """Name the first tests in words, as they are written to be read, and lead to the appendix that has them all."""
    tests = line.row.tests
    named = "".join(f"<li>{escape(_in_words(test))}</li>" for test in tests[:SHOWN])
    more = f'<li><a href="#{escape(line.row.id)}">and {len(tests) - SHOWN} more</a></li>' if len(tests) > SHOWN else ""
    return f'<ul class="tests">{named}{more}</ul>'


def _in_words(test: str) -> str:
    return test.rpartition("::")[2].removeprefix("test_").replace("_", " ")


def _appendix(report: Report) -> str:
    cited = [line for line in report.lines if line.row.tests]
    items = "".join(
        f'<dt id="{escape(line.row.id)}">{escape(line.row.id)}</dt>'
        + "".join(f"<dd>{escape(test.removeprefix('tests/'))}</dd>" for test in line.row.tests)
        for line in cited
    )
    return f'<h2>Appendix: the tests that cite each row</h2>\n<dl class="appendix">{items}</dl>\n' if cited else ""


def _with_code(text: str) -> str:
    """Escape, and set what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _foot(report: Report) -> str:
    signs = "".join(f"<div>{who}</div>" for who in ("For the operator", "For the auditor", "Date"))
    return (
        f'<div class="sign">{signs}</div><footer>Made by <code>gateway compliance --profile {escape(report.profile)}</code>. '
        "Counts are of the moment above; the audit chain was walked from its first row to its signed head for this report.</footer>\n"
    )
