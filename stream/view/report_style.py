"""The style of a report's page: light or dark as the reader's system asks, and for paper."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#16202e;--dim:#566275;--line:#dfe3ea;--soft:#eef1f5;
--gmv:#2563eb;--orders:#0d9488;--views:#8b5cf6;--watching:#d9580d;--good:#0f766e;--bad:#b42318;--bad-page:#fdecea;
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
@media (prefers-color-scheme:dark){:root{--page:#0d131c;--card:#151d29;--ink:#e6ebf2;--dim:#9aa7b9;--line:#28323f;
--soft:#1c2634;--gmv:#6ea8ff;--orders:#3fd0bf;--views:#b79dff;--watching:#ff9a52;--good:#4fd6c2;--bad:#ff8a7a;
--bad-page:#3a1714}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink)}
main{max-width:1120px;margin:0 auto;padding:32px 24px 48px}
h1{font-size:28px;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:18px;margin:0 0 2px}
h3{font-size:15px;margin:18px 0 2px}
p{margin:0}
.dim{color:var(--dim)}
.note{color:var(--dim);font-size:13px;margin:0 0 10px;max-width:80ch}
header{margin-bottom:20px}
header .dim{margin-top:6px}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin-top:16px}
.verdict{border-left:5px solid var(--good);padding:10px 14px;background:var(--card);border-radius:6px;font-weight:600}
.verdict.bad{border-color:var(--bad);background:var(--bad-page);color:var(--bad)}
.verdict ul{margin:6px 0 0;padding-left:20px;font-weight:400}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(270px,100%),1fr));gap:12px;margin-top:16px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.tile b{display:block;font-size:24px;line-height:1.25;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.tile span{display:block;color:var(--dim);font-size:13px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th{color:var(--dim);font-weight:500;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
th,td{padding:6px 12px 6px 0;vertical-align:top}
td{border-bottom:1px solid var(--soft)}
tr:last-child td{border-bottom:0}
.n{text-align:right;white-space:nowrap}
.id{overflow-wrap:anywhere;min-width:9ch}
.rates{margin:12px 2px 0}
.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12px;overflow-wrap:anywhere}
td.mono{white-space:nowrap}
th.mono{font:inherit;font-weight:500}
.when{white-space:nowrap}
.alert{color:var(--bad);font-weight:600}
svg{display:block;width:100%;height:auto}
.curves svg{min-width:640px}
svg text{fill:var(--dim);font-size:11px;font-family:inherit}
svg .axis{stroke:var(--line)}
svg .mark{stroke:var(--ink);stroke-dasharray:2 3;opacity:.55}
svg .name{fill:var(--ink);font-size:12px;font-weight:600}
.strip{width:160px;height:9px;margin:5px 0 3px}
.strip .ground{fill:var(--soft)}
.strip .on{fill:var(--gmv)}
details{margin-top:10px}
summary{cursor:pointer;color:var(--dim);font-size:13px}
footer{color:var(--dim);font-size:13px;margin-top:20px}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:4px 20px;margin:0;font-size:13px}
dl div{display:flex;justify-content:space-between;gap:12px;border-bottom:1px solid var(--soft)}
dt{color:var(--dim);overflow-wrap:anywhere}
dd{margin:0;font-variant-numeric:tabular-nums;white-space:nowrap}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--ink:#000;--dim:#444;--line:#bbb;--soft:#ddd;
--gmv:#1d4ed8;--orders:#0f766e;--views:#6d28d9;--watching:#c2410c;--good:#0f766e;--bad:#b42318;--bad-page:#fff;font-size:10pt}
@page{margin:14mm}
main{max-width:none;padding:0}
section,.tile{border-color:#bbb;border-radius:0;padding:8px 10px}
table{font-size:7.5pt}
th,td{padding:3px 6px 3px 0}
.mono{font-size:6.5pt}
.strip{width:30mm}
.scroll{overflow:visible}
.curves svg{min-width:0}
tr,.tile,svg{break-inside:avoid}
h2,.note{break-after:avoid}
*{print-color-adjust:exact}}
""".strip()
