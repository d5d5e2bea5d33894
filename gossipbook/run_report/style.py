"""The page's style, and its one script, which shows tooltips."""

CSS = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2230;--mute:#5b6675;--grid:#e6e9ee;--axis:#aab2bd;
--edge:#dfe3e9;--band:rgba(120,90,20,.09);--fault:#e8d9b5;--fault-ink:#4d3b0c;--good:#00734f;--bad:#b3261e;
--unsure:#8a5a00;--off:#c9cfd8;--up:#c5e3d8;--c0:#0072b2;--c1:#d55e00;--c2:#00855f;--c3:#b3568a;--c4:#b27d00;--c5:#3a93c9;--c6:#7a6f00;
--c7:#6b7480;--h0:#eef2f6;--h1:#cfe3f1;--h2:#8fc1e0;--h3:#4195c8;--h4:#0b5c94;--on:#fff;--halo:#fff}
@media (prefers-color-scheme:dark){:root{--bg:#11151b;--card:#191f28;--ink:#e7ebf1;--mute:#9aa5b4;--grid:#2a323d;
--axis:#5a6676;--edge:#2b3440;--band:rgba(240,200,110,.10);--fault:#5a4a22;--fault-ink:#f6e6bd;--good:#3ecf9a;--bad:#ff7b70;
--unsure:#f0b84a;--off:#3d4753;--up:#22483c;--c0:#56b0ea;--c1:#f58a45;--c2:#35c99b;--c3:#e39ac4;--c4:#edb63c;--c5:#9bd3f5;--c6:#d6cc55;
--c7:#a3aebb;--h0:#1f2731;--h1:#1f4059;--h2:#23648f;--h3:#3f93cc;--h4:#a5d8fb;--on:#10151b;--halo:#191f28}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:20px 20px 60px}
h1{font-size:22px;margin:0;line-height:1.25;overflow-wrap:anywhere}
h2{font-size:17px;margin:34px 0 10px}
h3{font-size:14px;margin:18px 0 6px}
p{margin:6px 0;max-width:80ch}
.card{background:var(--card);border:1px solid var(--edge);border-radius:10px;padding:14px 16px;margin:10px 0}
.banner{border-left:6px solid var(--c)}
.banner b.verdict{color:var(--c);text-transform:uppercase;letter-spacing:.06em;font-size:13px}
.valid{--c:var(--good)}.invalid{--c:var(--bad)}.unknown{--c:var(--unsure)}
.why,.note{color:var(--mute);overflow-wrap:anywhere}
.note{font-size:13px}
code{font:13px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,monospace;overflow-wrap:anywhere}
pre{margin:8px 0 0;padding:8px 10px;background:var(--bg);border:1px solid var(--edge);border-radius:6px;
white-space:pre-wrap}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:10px}
.tile{background:var(--card);border:1px solid var(--edge);border-radius:10px;padding:10px 12px}
.tile b{display:block;font-size:21px;line-height:1.2;font-variant-numeric:tabular-nums}
.tile span{display:block;color:var(--mute);font-size:12.5px;line-height:1.35}
.minis{display:grid;grid-template-columns:repeat(auto-fit,minmax(290px,1fr));gap:14px}
.halves{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:0 34px;align-items:start}
.scroll{overflow-x:auto}
svg{display:block;max-width:100%;height:auto}
svg.narrow{display:none}
text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--ink)}
text.tick{fill:var(--mute)}text.panel{font-weight:600}text.name{font-weight:600}text.empty{fill:var(--mute);font-style:italic}
text.tag{font-size:11px;fill:var(--fault-ink)}text.on{font-size:11px;fill:var(--on);font-weight:600}
text.heal-label{font-size:11px;fill:var(--mute)}
text.halo{paint-order:stroke;stroke:var(--halo);stroke-width:4px;stroke-linejoin:round;font-size:11.5px}
line.grid{stroke:var(--grid)}line.axis{stroke:var(--axis)}line.heal{stroke:var(--mute);stroke-dasharray:2 3}
line.life{stroke:var(--axis);stroke-width:1.5}
line.event{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:5 4}
path.line,path.faint{fill:none}path.line{stroke-width:1.8;stroke-linejoin:round}path.faint{stroke-width:1;opacity:.55}
path.dashed{stroke-dasharray:5 4;stroke-width:1.5}
path.area{opacity:.16;stroke:none}
path:not([data-t]),text,line{pointer-events:none}
.hit:hover{fill:var(--ink);fill-opacity:.06}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--edge);vertical-align:top}
th{color:var(--mute);font-weight:600;font-size:12.5px}
tr:last-child td{border-bottom:0}
td.n,th.n{text-align:right}td.n{white-space:nowrap}
table.way td:first-child{white-space:nowrap}
td small{display:block;color:var(--mute);font-size:12px;line-height:1.35}
td .bar{display:block;height:6px;border-radius:3px;background:var(--c0);min-width:1px;margin-top:8px}
.key{display:inline-block;width:12px;height:12px;border-radius:3px;margin:0 5px 0 12px;vertical-align:-1px}
.legend{font-size:12.5px;color:var(--mute);margin-left:-12px}
.legend>span{white-space:nowrap}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
#tip{position:fixed;pointer-events:none;background:var(--ink);color:var(--bg);padding:6px 9px;border-radius:6px;
font-size:12.5px;line-height:1.4;white-space:pre-line;max-width:340px;display:none;z-index:9}
@media (max-width:760px){main{padding:12px 12px 40px}svg.wide{display:none}svg.narrow{display:block}
.card{padding:12px 12px}h1{font-size:18px}.tiles{grid-template-columns:1fr 1fr}.tile b{font-size:18px}
.wide-only{display:none}}
@media print{body{background:#fff}.card{break-inside:avoid}}
"""

SCRIPT = """
(function(){var t=document.getElementById('tip');
function move(e){var h=e.target.closest&&e.target.closest('[data-t]');
if(!h){t.style.display='none';return}
t.textContent=h.getAttribute('data-t');t.style.display='block';
var x=e.clientX+14,y=e.clientY+14,w=t.offsetWidth,k=t.offsetHeight;
if(x+w>innerWidth-8)x=Math.max(8,e.clientX-w-14);if(y+k>innerHeight-8)y=Math.max(8,e.clientY-k-14);
t.style.left=x+'px';t.style.top=y+'px'}
document.addEventListener('pointermove',move);document.addEventListener('pointerleave',function(){t.style.display='none'})})();
"""
