# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page's own look and its script. Neither may come from elsewhere, and neither contains anything of the data."""

from __future__ import annotations

STYLE = """
.vh,.skip:not(:focus){position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.skip:focus{position:fixed;inset-block-start:.5rem;inset-inline-start:.5rem;background:var(--card);padding:.5rem 1rem;z-index:2}
html{scroll-padding-top:1rem}main:focus{outline:0}
header{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:center;padding-block:1.4rem .4rem}
header p{margin:0}header>div{flex:1 1 18rem}.state .s{font-size:1.15rem;padding:.25rem 1rem}
.tiles{display:flex;flex-wrap:wrap;gap:.5rem;list-style:none;margin:0;padding:0;flex-basis:100%}
.tiles li{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.4rem .9rem}
.tiles b{font-size:1.3rem;margin-inline-end:.3rem}
.tiles .zero{opacity:.65}
nav{max-width:76rem;margin-inline:auto;padding-inline:1rem}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;list-style:none;margin:.3rem 0 0;padding:0}
nav a{display:inline-block;padding-block:.25rem}
td small,th small{display:block;font-weight:400}.scroll{overflow-x:auto}
.kind{white-space:nowrap;font-weight:600}.kind.worse{color:var(--failed)}.kind.better{color:var(--ok)}
.kind.new,.kind.value{color:var(--accent)}
.tools{display:flex;flex-wrap:wrap;gap:.5rem 1.2rem;align-items:center;margin-block-end:.6rem}
input,select,button{font:inherit;color:inherit;background:var(--bg);border:1px solid var(--soft);border-radius:.4rem;padding:.3rem .6rem;
min-height:2.4rem}
input{width:15rem;max-width:100%}button{cursor:pointer}
.strip{width:100%;height:14px;shape-rendering:crispEdges}td.days{width:26%;min-width:5rem;padding-block-start:.65rem}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:1rem 1.4rem}
figure{margin:0;min-width:0}figcaption{font-weight:600;font-size:.95rem}figure svg{width:100%;height:auto}
figure text{font-size:10px;fill:var(--soft);direction:ltr}figure .end{text-anchor:end}figure .middle{text-anchor:middle}
figure .start{text-anchor:start}
.grid{stroke:var(--grid);fill:none}.line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.l0{stroke:var(--l0)}.l1{stroke:var(--l1);stroke-dasharray:6 2}.l2{stroke:var(--l2);stroke-dasharray:2 3}
.l3{stroke:var(--l3);stroke-dasharray:8 3 2 3}
.l4{stroke:var(--l4);stroke-dasharray:1 3}.band{fill:var(--l0);opacity:.18}
.mark{stroke:var(--soft);stroke-dasharray:1 2;opacity:.8}
.limit{fill:none;stroke-width:1.2;stroke-dasharray:5 3}svg .limit.warn{stroke:var(--warning)}svg .limit.crit{stroke:var(--failed)}
.key{list-style:none;margin:.1rem 0 0;padding:0;display:flex;flex-wrap:wrap;gap:.1rem .9rem;font-size:.8rem;color:var(--soft)}
.key li{display:flex;gap:.35rem;align-items:center}.key svg{width:18px;height:10px;flex:none}
.lanes{margin-block-end:.8rem}.lane{display:grid;grid-template-columns:5.5rem 1fr;align-items:center;font-size:.9rem}
.lane>div{padding-inline:8px}.ends{display:flex;justify-content:space-between;font-size:.8rem}
details.host{border-bottom:1px solid var(--line)}summary{padding:.5rem .2rem;cursor:pointer;font-weight:600}summary small{font-weight:400}
details>div{margin-block-end:1rem}details.host th:first-child{width:46%}
details td.js{width:26%;min-width:5rem}.spark{width:100%;height:22px}
.spark path{fill:none;stroke:var(--l0);stroke-width:1.4;vector-effect:non-scaling-stroke}
html:not(.on) .js{display:none}
footer{padding-block:0 2rem}
@media (max-width:40rem){body{font-size:.95rem}section{padding:.8rem .7rem;border-radius:.5rem}th,td{padding:.35rem .35rem}
.wide{display:none}
details .js,details th.js{display:none!important}details.host th:first-child{width:42%;min-width:0}details.host .n{min-width:6.2rem}
.lane{grid-template-columns:4.4rem 1fr}td.days{width:22%;min-width:3.6rem}
.changes thead,.events thead,#hosts-table thead{display:none}
.changes tr,.events tr,#hosts-table tr{display:grid;
grid-template-columns:1fr auto;gap:0 .6rem;padding-block:.5rem;border-bottom:1px solid var(--line)}
.changes tr{grid-template-columns:auto 1fr}.changes tr>*,.events tr>*,#hosts-table tr>*{border:0;padding:.1rem;min-width:0}
.changes td:nth-child(3),.events td:nth-child(4),#hosts-table td:nth-child(3),#hosts-table td.days{grid-column:1/-1;width:auto}
.changes td:nth-child(4)::after{content:" \\2192"}[dir=rtl] .changes td:nth-child(4)::after{content:" \\2190"}
#hosts-table tr[data-w="0"] td:nth-child(3){display:none}tr[hidden]{display:none!important}}
@media print{nav,.tools,footer,.skip,details:not([open]),#checks>p{display:none!important}.charts{grid-template-columns:repeat(2,1fr)}}
"""

SCRIPT = """
(function(){
"use strict";
var root=document.documentElement,NS="http://www.w3.org/2000/svg",names={o:"ok",w:"warning",f:"failed",c:"crashed",s:"skipped"};
var tall={o:[5,9],w:[3,11],f:[0,14],c:[0,14],s:[7,5]},letters="0123456789abcdefghijklmnopqrstuvwxyz";
root.classList.add("on");
function all(what,where){return Array.prototype.slice.call((where||document).querySelectorAll(what));}
function svg(cell,name,days,height){
  var made=document.createElementNS(NS,"svg");
  made.setAttribute("class",name);made.setAttribute("viewBox","0 0 "+days+" "+height);made.setAttribute("preserveAspectRatio","none");
  made.setAttribute("aria-hidden","true");cell.appendChild(made);return made;
}
function path(where,d,name){
  var made=document.createElementNS(NS,"path");made.setAttribute("d",d);if(name)made.setAttribute("class",name);where.appendChild(made);
}
function days(cell){
  var at=0,parts={},found,pattern=/([-owfcs])(\\d+)/g,key;
  while((found=pattern.exec(cell.dataset.s))){
    var wide=+found[2],high=tall[found[1]];
    if(high)parts[found[1]]=(parts[found[1]]||"")+"M"+at+" "+high[0]+"h"+wide+"v"+high[1]+"h-"+wide+"z";
    at+=wide;
  }
  var values=cell.dataset.v;
  if(values){
    var line="",open=false;
    for(var day=0;day<values.length;day++){
      var level=letters.indexOf(values[day]);
      if(level<0){open=false;continue;}
      line+=(open?"L":"M")+(day+.5)+" "+(20-level*18/35).toFixed(1)+(open?"":"h.01");open=true;
    }
    path(svg(cell,"spark",values.length,22),line);
  }
  var made=svg(cell,"strip",at,14);
  for(key in parts)path(made,parts[key],names[key]);
}
function fill(box){
  if(box.open&&!box.dataset.drawn){box.dataset.drawn="1";all("td.js",box).forEach(days);}
}
var boxes=all("details.host");
boxes.forEach(function(box){fill(box);box.addEventListener("toggle",function(){fill(box);});});
function go(){
  var there=location.hash.length>1&&document.getElementById(decodeURIComponent(location.hash.slice(1)));
  var box=there&&there.closest("details");
  if(box){box.open=true;fill(box);box.scrollIntoView();box.firstElementChild.focus({preventScroll:true});}
}
addEventListener("hashchange",go);go();
document.addEventListener("click",function(event){
  var link=event.target.closest("a[href^='#host-']");
  if(link&&link.hash===location.hash)go();
});
function set(open){return function(){boxes.forEach(function(box){if(!box.hidden)box.open=open;});};}
var find=document.getElementById("find"),show=document.getElementById("show"),shown=document.getElementById("shown");
if(find){
  document.getElementById("open").addEventListener("click",set(true));
  document.getElementById("close").addEventListener("click",set(false));
  var rows=all("#hosts-table tbody tr"),texts=null;
  var filter=function(){
    var wanted=find.value.trim().toLowerCase(),count=0;
    texts=texts||boxes.map(function(box){return box.textContent.toLowerCase();});
    rows.forEach(function(row,number){
      var hide=(show.value&&row.dataset.w!=="1")||(wanted&&texts[number].indexOf(wanted)<0);
      row.hidden=boxes[number].hidden=!!hide;count+=hide?0:1;
    });
    shown.textContent=shown.dataset.text.replace("{shown}",count).replace("{total}",rows.length);
  };
  find.addEventListener("input",filter);show.addEventListener("change",filter);
  if(find.value||show.value)filter();
}
})();
"""
