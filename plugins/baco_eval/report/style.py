"""How the page looks, by day, by night and on paper."""

from __future__ import annotations

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing is fetched and nothing runs, whatever the texts hold."""
STYLE = """
:root{color-scheme:light dark;--ink:#1a1a1a;--faint:#5c5c5c;--line:#dcdcdc;--page:#fff;--band:#f6f6f6;
--base:#ffd9a8;--base-line:#b35300;--aligned:#d5e8fb;--link:#0b5cad}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e8e8e8;--faint:#a8a8a8;--line:#444;--page:#181818;
--band:#222;--base:#5c3a10;--base-line:#f0a04b;--aligned:#163a5c;--link:#8ec1f5}}
body{font:16px/1.5 Helvetica,Arial,"DejaVu Sans",sans-serif;color:var(--ink);background:var(--page);
max-width:64rem;margin:2rem auto;padding:0 1rem}
nav{margin:1rem 0}nav a{margin-right:1rem;white-space:nowrap}a{color:var(--link)}
h2{margin-top:3rem;border-bottom:2px solid var(--line)}h3{margin-bottom:.5rem}
.abreast{display:flex;flex-wrap:wrap;gap:0 2rem}.abreast>.wide{max-width:100%}.wide{overflow-x:auto}
table{border-collapse:collapse;margin:.5rem 0 1.5rem;font-size:.875rem;line-height:1.35}
caption{text-align:left;font-weight:bold;padding:.3rem 0}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;
white-space:nowrap}
tbody th{text-align:left;font-weight:normal}thead th:first-child{text-align:left}
tbody tr:nth-child(even){background:var(--band)}
small{color:var(--faint);font-size:.75rem}td small{display:block}
table.text td,table.text th{text-align:left;white-space:normal}
.settings tbody th{white-space:normal;overflow-wrap:anywhere;min-width:9rem}
details{margin:.5rem 0}summary{cursor:pointer;font-weight:bold}
figure{margin:1.5rem 0}figure svg{display:block;width:100%;height:auto;background:#fff;border-radius:4px}
figcaption{color:var(--faint);font-size:.875rem;margin-top:.4rem}
.samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:1rem}
.samples article{border:1px solid var(--line);border-radius:4px;padding:.6rem}
.samples h4,.samples p{margin:0 0 .4rem}.said{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.875rem}
.prompt{white-space:pre-wrap;overflow-wrap:anywhere}
.base{background:var(--base);border-bottom:2px solid var(--base-line)}.aligned{background:var(--aligned)}
@media screen{figure{overflow-x:auto}figure svg{min-width:34rem}}
@page{size:A4;margin:14mm}
@media print{html{font-size:9.5pt}
body{font-size:1rem;margin:0;padding:0;max-width:none}nav{display:none}
.wide{overflow:visible}table{font-size:7.5pt}small{font-size:6.5pt}h2{margin-top:1.5rem}
th,td{padding:.12rem .35rem}
figure,.samples article,tr,caption{break-inside:avoid}h2,h3,summary{break-after:avoid}
.samples{grid-template-columns:repeat(3,1fr);gap:.5rem}.base,.aligned,tr{print-color-adjust:exact}}
"""
