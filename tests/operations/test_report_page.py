# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's page in a real browser: what it asks for, how it looks in other lights, sizes and directions, and what a keyboard can do."""

from __future__ import annotations

import http.server
import os
import pathlib
import threading

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._report import page
from ansible_collections.runbook.ops.plugins.module_utils._report.model import Event
from operations.reports import NASTY, big, happened, item, many, record, report

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.skipif(not pathlib.Path("/usr/bin/chromedriver").exists(), reason="there is no Chromium here")
# What WCAG 2 asks of text at level AA.
CONTRAST = 4.5


class Site:
    """Serves pages on this host and knows what was asked for."""

    def __init__(self):
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append(self.path)
                body = site.pages.get(self.path, "").encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.pages: dict[str, str] = {}
        self.asked: list[str] = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, name, text):
        self.pages[f"/{name}"] = text
        self.asked.clear()
        return f"http://127.0.0.1:{self.server.server_port}/{name}"


@pytest.fixture(scope="module")
def site():
    found = Site()
    yield found
    found.server.shutdown()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    options = webdriver.ChromeOptions()
    profile = tmp_path_factory.mktemp("profile")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"]
    for flag in (*flags, "--disable-background-networking", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium):
    """Wide, light, and not in print, whatever the test before it left."""
    look(chromium)
    return chromium


def look(driver, width=1200, height=900, scheme="light", media=""):
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [{"name": "prefers-color-scheme", "value": scheme}]})


def shot(driver, name):
    """A picture for people, where RUNBOOK_SHOTS says."""
    folder = os.environ.get("RUNBOOK_SHOTS")
    if folder:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        driver.save_screenshot(f"{folder}/{name}.png")


@pytest.fixture(scope="module")
def small():
    return report(*many(6, 12, 90), events=happened(), title="Daily checks of www.example.com")


def opened(browser, site, text, name="index.html"):
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(site.url(name, text))


def test_it_asks_for_nothing_and_complains_of_nothing(browser, site, small):
    opened(browser, site, page.render(small))
    browser.find_element(By.ID, "open").click()
    assert browser.get_log("browser") == []
    assert site.asked == ["/index.html"]
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_its_policy_stops_what_would_be_smuggled_in(browser, site, small):
    smuggled = '<img src="http://127.0.0.1:9/x.png"><script>document.title="smuggled"</script><script src="/x.js"></script>'
    opened(browser, site, page.render(small).replace("</main>", f"{smuggled}</main>"))
    assert "smuggled" not in browser.title and site.asked == ["/index.html"]
    assert len([line for line in browser.get_log("browser") if "Content Security Policy" in line["message"]]) >= 3


def test_what_others_wrote_is_shown_as_text(browser, site):
    found = report(
        record(NASTY, item(NASTY, "failed", 1, "ms", message=NASTY), ago=1),
        record(NASTY, item(NASTY, "ok", 900, "ms", message=NASTY)),
        events=[Event("2026-11-21T06:00:00Z", "deploy", NASTY, "failed", NASTY, NASTY)],
        title=NASTY,
    )
    opened(browser, site, page.render(found))
    assert browser.find_element(By.TAG_NAME, "h1").text == NASTY
    browser.find_element(By.CSS_SELECTOR, "#hosts-table th a").click()
    assert browser.find_element(By.CSS_SELECTOR, "details.host").get_attribute("open")
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_every_light(browser, site, small, scheme):
    look(browser, scheme=scheme)
    opened(browser, site, page.render(small))
    browser.find_element(By.ID, "open").click()
    worst = browser.execute_script(READABLE)
    shot(browser, scheme)
    assert worst["seen"] > 300 and worst["contrast"] >= CONTRAST, worst
    light = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in light.strip("rgb()").split(",")) < 200) == (scheme == "dark")


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("width", [320, 390, 768])
def test_narrow_screens_need_no_scrolling_to_the_side(browser, site, small, width, direction):
    look(browser, width, 800)
    opened(browser, site, page.render(small, lang="ar" if direction == "rtl" else "en"))
    browser.find_element(By.ID, "open").click()
    wide = browser.execute_script("return [document.documentElement.scrollWidth, document.body.scrollWidth]")
    shot(browser, f"{direction}-{width}")
    assert max(wide) <= width
    assert browser.execute_script(OUTSIDE, width) == []


def test_short_names_are_not_broken(browser, site):
    look(browser, 1000)
    long = "a message that is long enough to take all the room that there is in the table, and some more"
    opened(browser, site, page.render(report(record("localhost", item("a", "failed", message=long * 3)))))
    assert browser.execute_script("return document.querySelector('#hosts-table tbody th a').getClientRects().length") == 1


def test_long_names_do_not_widen_it_either(browser, site):
    look(browser, 320, 800)
    name = "a-very-long-name-without-any-place-to-break-it-" * 4
    opened(
        browser, site, page.render(report(record(name, item(name, "ok"), ago=1), record(name, item(name, "failed", 5, "ms", message=name))))
    )
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 320


def test_right_to_left(browser, site, small):
    opened(browser, site, page.render(small, lang="ar"))
    shot(browser, "arabic")
    assert browser.execute_script("return getComputedStyle(document.body).direction") == "rtl"
    left = browser.execute_script("return document.querySelector('#hosts-table tbody th').getBoundingClientRect().left")
    right = browser.execute_script("return document.querySelector('#hosts-table tbody td:last-child').getBoundingClientRect().left")
    assert left > right
    # Times and numbers are read from left to right all the same.
    assert browser.execute_script("return getComputedStyle(document.querySelector('time')).direction") == "ltr"


def focused(browser):
    return browser.switch_to.active_element


def test_a_keyboard_reaches_everything(browser, site, small):
    opened(browser, site, page.render(small))
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert focused(browser).get_attribute("class") == "skip" and focused(browser).rect["width"] > 20
    seen = []
    for _step in range(80):
        one = focused(browser)
        visible = browser.execute_script(
            "var s=getComputedStyle(arguments[0]);return s.outlineStyle!=='none'&&parseFloat(s.outlineWidth)>=2", one
        )
        seen.append((one.tag_name, one.get_attribute("id"), visible))
        if one.tag_name == "summary" and len([tag for tag, _id, _visible in seen if tag == "summary"]) > 3:
            break
        ActionChains(browser).send_keys(Keys.TAB).perform()
    assert {"find", "show", "open", "close"} <= {name for _tag, name, _visible in seen}
    assert all(visible for _tag, _id, visible in seen), seen
    box = focused(browser).find_element(By.XPATH, "..")
    before = box.get_attribute("open")
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert box.get_attribute("open") != before


def test_hosts_are_filtered_and_found(browser, site, small):
    opened(browser, site, page.render(small))
    rows = "return Array.from(document.querySelectorAll('#hosts-table tbody tr')).filter(function(r){return !r.hidden}).length"
    assert browser.execute_script(rows) == 6
    browser.find_element(By.ID, "find").send_keys("WEB3")
    assert browser.execute_script(rows) == 1
    assert browser.find_element(By.ID, "shown").text == "1 of 6 hosts shown"
    browser.find_element(By.ID, "find").clear()
    browser.find_element(By.ID, "find").send_keys("x", Keys.BACKSPACE)
    bad = sum(host.status not in ("ok", "skipped") for host in small.hosts)
    browser.find_element(By.CSS_SELECTOR, "#show option[value=bad]").click()
    assert browser.execute_script(rows) == bad


def test_a_host_of_the_table_leads_to_its_checks(browser, site, small):
    opened(browser, site, page.render(small))
    link = browser.find_elements(By.CSS_SELECTOR, "#hosts-table th a")[-1]
    link.click()
    box = browser.find_elements(By.CSS_SELECTOR, "details.host")[-1]
    assert box.get_attribute("open") and len(box.find_elements(By.CSS_SELECTOR, "td.js svg.strip")) == 12
    assert focused(browser).tag_name == "summary"


def test_what_a_screen_reader_is_told(browser, site, small):
    opened(browser, site, page.render(small))
    browser.find_element(By.ID, "open").click()
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    shown = [node for node in nodes if not node.get("ignored")]

    def named(role):
        return [node.get("name", {}).get("value", "") for node in shown if node["role"]["value"] == role]

    assert named("region") == ["What changed since yesterday", "Hosts", "Trends", "Deploys and drills", "All checks"]
    assert {"banner", "main", "navigation", "contentinfo"} <= {node["role"]["value"] for node in shown}
    for role in ("link", "button", "searchbox", "combobox", "columnheader", "rowheader", "image"):
        assert named(role) and all(named(role)), role
    assert len(named("table")) >= 8 and any("page 0: " in name for name in named("image"))


def test_it_is_whole_without_scripts(browser, site, small):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(browser, site, page.render(small))
        assert len(browser.find_elements(By.CSS_SELECTOR, "#hosts-table tbody tr")) == 6
        assert not browser.find_element(By.ID, "find").is_displayed()
        assert len(browser.find_elements(By.CSS_SELECTOR, "#trends figure svg")) >= 6
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


BADGE = "var s=getComputedStyle(document.querySelector('.s.ok'));return [s.color,s.backgroundColor]"


def test_print(browser, site, small):
    opened(browser, site, page.render(small))
    light = browser.execute_script(BADGE)
    look(browser, scheme="dark", media="print")
    opened(browser, site, page.render(small))
    shot(browser, "print")
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.execute_script(BADGE) == light  # who reads in the dark does not print in the dark
    assert not browser.find_element(By.ID, "find").is_displayed() and not browser.find_element(By.TAG_NAME, "nav").is_displayed()
    assert browser.find_element(By.CSS_SELECTOR, "#hosts-table tbody td").is_displayed()
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {})["data"]
    assert len(pdf) > 10_000


def test_the_largest_page_works(browser, site, record_testsuite_property):
    text = page.render(big())
    opened(browser, site, text, "big.html")
    timing = browser.execute_script(
        "var n=performance.getEntriesByType('navigation')[0];return [n.domInteractive,n.domContentLoadedEventEnd,n.loadEventEnd]"
    )
    record_testsuite_property("interactive_ms", round(timing[1]))
    record_testsuite_property("bytes", len(text.encode()))
    print(f"interactive after {timing[1]:.0f} ms, {len(text.encode()) / 1e6:.2f} MB")
    assert browser.get_log("browser") == []
    browser.find_element(By.ID, "find").send_keys("web77.")
    assert browser.find_element(By.ID, "shown").text == "1 of 100 hosts shown"
    assert len(browser.find_elements(By.CSS_SELECTOR, "details.host")) == 100


# Whether a text can be read on what is behind it: the smallest contrast of all that is shown, as WCAG 2 measures it.
READABLE = """
function rgb(text){return text.match(/[\\d.]+/g).map(Number);}
function light(c){var p=c.slice(0,3).map(function(v){v/=255;return v<=.03928?v/12.92:Math.pow((v+.055)/1.055,2.4);});
  return .2126*p[0]+.7152*p[1]+.0722*p[2];}
function behind(node){for(;node;node=node.parentElement){var c=rgb(getComputedStyle(node).backgroundColor);if(c.length<4||c[3]>0)return c;}
  return [255,255,255];}
var found={contrast:99,seen:0,text:""},walker=document.createTreeWalker(document.body,NodeFilter.SHOW_TEXT),node;
while((node=walker.nextNode())){
  var box=node.parentElement;
  if(!node.data.trim()||/^(SCRIPT|STYLE|TITLE)$/i.test(box.tagName)||!box.getClientRects().length)continue;
  var style=getComputedStyle(box),colour=rgb(box.closest("svg")?style.fill:style.color),opacity=1;
  for(var up=box;up;up=up.parentElement)opacity*=parseFloat(getComputedStyle(up).opacity);
  var under=behind(box),mixed=colour.slice(0,3).map(function(v,i){return v*opacity+under[i]*(1-opacity);});
  var a=light(mixed),b=light(under),contrast=(Math.max(a,b)+.05)/(Math.min(a,b)+.05);
  found.seen++;
  if(contrast<found.contrast){found.contrast=contrast;found.text=node.data.trim().slice(0,60);}
}
return found;
"""

# What stands beyond the edges of the screen, but for what scrolls in a box of its own or is hidden on purpose.
OUTSIDE = """
var width=arguments[0];
return Array.from(document.querySelectorAll("main *, header *")).filter(function(one){
  if(one.closest(".vh,.skip,svg,.scroll")||!one.getClientRects().length)return false;
  var box=one.getBoundingClientRect();
  return box.width>0&&(box.right>width+1||box.left<-1);
}).map(function(one){return one.tagName+"."+one.className;}).slice(0,5);
"""
