"""
How the widget looks: within its own element only, since it shares the page with the console.

Colours are CloudWatch's own light and dark grounds with text that has a contrast of 4.5 and more.
"""

STYLE = """
.tidegate{--ink:#16191f;--soft:#545b64;--line:#d5dbdb;--ground:#fff;--fill:#f2f8fd;--link:#0065b3;
--bar:#0073bb;--note:#8a5a00;color:var(--ink);background:var(--ground);
font:13px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;padding:4px 8px}
.tidegate.dark{--ink:#e9ebed;--soft:#aab7b8;--line:#414d5c;--ground:#0f1b2a;--fill:#192534;
--link:#62b6ff;--bar:#539fe5;--note:#ffcb66}
.tidegate h2{font-size:17px;margin:4px 0;overflow-wrap:anywhere}
.tidegate h3{font-size:13px;margin:14px 0 4px}
.tidegate p{margin:4px 0}
.tidegate ul{margin:4px 0;padding-left:20px}
.tidegate a{color:var(--link);cursor:pointer;text-decoration:underline}
.tidegate table{border-collapse:collapse;width:100%}
.tidegate th,.tidegate td{border-bottom:1px solid var(--line);padding:4px 8px;text-align:left;
vertical-align:top;overflow-wrap:anywhere}
.tidegate thead th{color:var(--soft);font-weight:600;white-space:nowrap}
.tidegate tbody th{font-weight:600}
.tidegate .state,.tidegate .time{white-space:nowrap}
.tidegate .ended{color:var(--soft)}
.tidegate dl{display:flex;flex-wrap:wrap;gap:6px 24px;margin:10px 0}
.tidegate dt{color:var(--soft);font-size:12px}
.tidegate dd{margin:0;font-weight:600}
.tidegate .bar{display:inline-block;width:64px;height:9px;border:1px solid var(--soft);
vertical-align:-1px}
.tidegate .bar span{display:block;height:100%;background:var(--bar)}
.tidegate .box{background:var(--fill);border-left:4px solid var(--note);padding:6px 10px;
margin:8px 0;overflow-wrap:anywhere}
.tidegate cwdb-action{display:none}
.tidegate.narrow table{table-layout:fixed}
.tidegate.narrow th,.tidegate.narrow td{padding:4px}
.tidegate.narrow .state,.tidegate.narrow .time,.tidegate.narrow thead th{white-space:normal}
.tidegate.narrow .decisions th:first-child{width:2.5em}
.tidegate.narrow .bar{display:none}
.tidegate .pictures{display:flex;flex-wrap:wrap;align-items:flex-start;gap:16px 20px;margin:12px 0}
.tidegate svg{max-width:100%;height:auto}
.tidegate .box h3{margin:0 0 2px}
"""
