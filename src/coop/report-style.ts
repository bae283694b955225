/** The style sheet of `report.html`: one accent for CoOp, grey for zero-shot; light or dark as the reader's system is. */
export const STYLE = `
:root { color-scheme: light dark; --page: #fbfbfa; --card: #ffffff; --ink: #1c1e23; --soft: #666c78; --rule: #e2e3e7;
  --accent: #3451c6; --zero: #868d99; --good: #237a3b; --bad: #c0392b; --empty: #f1f2f4; }
@media (prefers-color-scheme: dark) { :root { --page: #121417; --card: #1a1d22; --ink: #e7e8ec; --soft: #9aa1ad;
  --rule: #2d3138; --accent: #8fa4ff; --zero: #848b97; --good: #6cc98a; --bad: #ff8f80; --empty: #22262c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 40px 24px 80px; max-width: 1080px; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 44px 0 12px; }
p { margin: 8px 0; max-width: 75ch; }
.soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 16px 18px; overflow-x: auto; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 16px; }
.charts .wide { grid-column: 1 / -1; } .charts .wide svg { min-width: 620px; }
.confusion { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start; } .confusion > .card { max-width: 100%; } .confusion .pairs { flex: 1 1 320px; }
.key i { display: inline-block; width: 14px; height: 5px; border-radius: 3px; margin-right: 5px; vertical-align: 2px; background: var(--zero); }
.key .coop { background: var(--accent); margin-left: 10px; }
.charts h3 { font-size: 14px; margin: 0 0 8px; }
.charts svg { width: 100%; height: auto; display: block; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 7px 14px 7px 0; border-bottom: 1px solid var(--rule); vertical-align: baseline; }
tr:last-child > td, tr:last-child > th { border-bottom: 0; }
thead th { color: var(--soft); font-weight: 500; font-size: 13px; }
.number { text-align: right; white-space: nowrap; }
.headline td, .headline th { padding-top: 12px; padding-bottom: 12px; }
.headline .big { font-size: 30px; font-weight: 650; letter-spacing: -0.02em; line-height: 1; }
.headline .coop .big { color: var(--accent); }
.track { position: relative; height: 14px; min-width: 160px; border-radius: 7px; background: var(--empty); }
.track i { position: absolute; inset: 0 auto 0 0; border-radius: 7px; background: var(--zero); }
.coop .track i { background: var(--accent); }
.track b { position: absolute; top: 5px; height: 4px; border-radius: 2px; background: var(--ink); opacity: .45; }
.bars { width: 34%; min-width: 140px; }
.bars i { display: block; height: 5px; margin: 3px 0; border-radius: 3px; background: var(--zero); min-width: 2px; }
.bars i + i { background: var(--accent); }
.good { color: var(--good); } .bad { color: var(--bad); }
.scroll { max-height: 620px; overflow: auto; }
code, pre { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.facts th { width: 220px; font-weight: 500; color: var(--soft); white-space: nowrap; }
.facts td { overflow-wrap: anywhere; }
details { border-bottom: 1px solid var(--rule); padding: 6px 0; } details:last-child { border-bottom: 0; }
summary { cursor: pointer; } details ul { margin: 6px 0; columns: 2 280px; font-size: 13px; overflow-wrap: anywhere; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--ink); }
svg .tick, svg .level-name { fill: var(--soft); font-size: 11.5px; }
svg .grid { stroke: var(--rule); } svg .hit { fill: transparent; } svg .hit:hover { fill: var(--accent); fill-opacity: .1; }
svg .curve { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
svg .dot { fill: var(--accent); }
svg .level { stroke: var(--zero); stroke-width: 1.5; stroke-dasharray: 5 4; }
svg .cell { fill: var(--empty); } svg .right { fill: var(--accent); } svg .wrong { fill: var(--bad); }
svg .count.on { fill: var(--card); } svg .name { unicode-bidi: isolate; }
@media print { body { max-width: none; padding: 0; } .scroll { max-height: none; } .card { break-inside: avoid; } }
`;
