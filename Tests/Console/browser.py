#!/usr/bin/env python3
"""The console in a real browser: every page, on a wide and a narrow screen, light and dark, by the keyboard, and what
may not happen.

  browser.py USHER [--output FOLDER]    the program to test; where screenshots go (build/console under it otherwise)

Each page is checked for errors on the browser's console, for anything fetched from elsewhere, and by axe-core for
serious accessibility findings.
"""
import argparse
import re
import sys
import time
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))
from company_site import HOSTILE, PASSWORD, ROOT, Site  # noqa: E402

PAGES = ["/", "/preview", "/holds", "/users", "/customers", "/unassigned", "/pins", "/mapping", "/runs"]


class Visitor:
    """One person's browser window, which notes what goes wrong in it."""

    def __init__(self, browser, site, name, output, **look):
        self.context = browser.new_context(base_url=site.url, **look)
        self.page = self.context.new_page()
        self.site, self.output, self.faults, self.audits = site, output, [], 0
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.faults.append(f"console: {m.text}"))
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", lambda r: r.url.startswith(site.url) or self.faults.append(f"fetched {r.url}"))
        if name:
            self.sign_in(name)

    def sign_in(self, name, password=PASSWORD):
        self.page.goto("/sign-in")
        self.page.get_by_label("User name or email").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_label("Password").press("Enter")

    def go(self, path):
        answer = self.page.goto(path)
        assert answer.ok, f"{path} answers {answer.status}"
        return self.page

    def look(self, name):
        """Takes a picture and asks axe; returns the findings that are serious."""
        self.page.screenshot(path=self.output / f"{name}.png", full_page=True)
        found = Axe().run(self.page).response["violations"]
        self.audits += 1
        serious = [f for f in found if f["impact"] in ("serious", "critical")]
        assert not serious, [(f["id"], f["help"], [n["target"] for n in f["nodes"]][:5]) for f in serious]

    def press(self, name, **more):
        self.page.get_by_role("button", name=name, **more).first.click()

    def plan_is_made(self):
        for _ in range(200):  # the page looks again by itself
            if "/plans/" in self.page.url:
                return
            self.page.wait_for_timeout(200)
        raise AssertionError(f"no plan: {self.page.content()}")

    def end(self):
        self.context.close()
        assert not self.faults, self.faults


def signing_in(browser, site, output):
    stranger = Visitor(browser, site, None, output)
    page = stranger.page
    page.goto("/users?q=eve")
    expect(page).to_have_url(re.compile("/sign-in"))
    stranger.look("sign-in")
    page.get_by_label("User name or email").fill("vera.viewer")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("let nobody in")
    page.get_by_label("User name or email").fill("vera.viewer")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(site.url + "/users?q=eve")
    cookie = stranger.context.cookies()[0]
    assert cookie["name"] == "__Host-usher" and cookie["httpOnly"] and cookie["sameSite"] == "Strict", cookie
    stranger.press("Sign out")
    expect(page).to_have_url(site.url + "/sign-in")
    stranger.context.add_cookies([cookie])
    page.goto("/users")
    expect(page).to_have_url(re.compile("/sign-in"))  # the session has ended on the server, too
    stranger.sign_in("nobody.special")
    expect(page.get_by_role("alert")).to_contain_text("no directory group that may enter")
    # A wrong password is a 401, and a person without a role a 403, which a browser notes.
    stranger.faults = [f for f in stranger.faults if "401" not in f and "403" not in f]
    stranger.end()


def every_page(browser, site, output):
    for look, more in {
        "wide-light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
        "phone-dark": {"viewport": {"width": 375, "height": 740}, "color_scheme": "dark", "has_touch": True},
    }.items():
        visitor = Visitor(browser, site, "anna.approver", output, **more)
        for path in PAGES:
            page = visitor.go(path)
            visitor.look(f"{look}-{path.strip('/') or 'overview'}")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path} is {wide} pixels too wide on {look}"
        visitor.go("/users?q=ada.lindqvist").get_by_role("link", name=re.compile("Lindqvist")).first.click()
        visitor.look(f"{look}-profile")
        visitor.go("/runs/1")
        visitor.look(f"{look}-run")
        visitor.end()


def a_preview(browser, site, output):
    """Somebody left, somebody changed: previewed, approved by one, applied by two."""
    operator = Visitor(browser, site, "otto.operator", output)
    operator.go("/")
    operator.press("Make a preview")
    operator.plan_is_made()
    operator.look("preview")
    page = operator.page
    expect(page.get_by_role("heading", name="By consequence and rule")).to_be_visible()
    expect(page.get_by_text("Applying it takes an approver")).to_be_visible()
    page.get_by_label("Name or email").fill("eve")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("link", name="Eve renamed")).to_be_visible()
    plan = page.url.split("?")[0]
    operator.end()

    first = Visitor(browser, site, "anna.approver", output)
    first.go(plan)
    first.press(re.compile("Apply exactly this plan"))
    expect(first.page.get_by_role("status")).to_contain_text("second approver")
    first.press(re.compile("Apply exactly this plan"))
    expect(first.page.get_by_role("status")).to_contain_text("second approver")
    second = Visitor(browser, site, "second.approver", output)
    second.go(plan)
    second.press(re.compile("Apply exactly this plan"))
    expect(second.page.get_by_role("status")).to_contain_text("Applied")
    second.look("applied")
    assert "Eve renamed" in site.run("show", "eve@acme.example")
    assert "second.approver (console), after anna.approver" in site.run("runs")
    run = second.page.url
    # What is applied is gone; whoever still looks at it is told.
    gone = first.page.goto(plan)
    assert gone.status == 404
    first.faults = [f for f in first.faults if "404" not in f]
    # A leaver over the limit: held, approved by two.
    first.go("/preview")
    expect(first.page.get_by_role("heading", name=re.compile("held back at"))).to_have_count(0)
    first.end()
    second.go(run)
    second.press(re.compile("Preview taking it back"))
    second.look("undo")
    second.press(re.compile("Apply exactly this plan"))
    second.end()


def by_hand(browser, site, output):
    operator = Visitor(browser, site, "otto.operator", output)
    page = operator.go("/users?q=eve%40acme")
    # A name from the directory is text, whatever it looks like.
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    page.get_by_role("link", name=HOSTILE).click()
    profile = page.url
    operator.press("Grant confluence")
    expect(page.get_by_role("heading", level=1)).to_have_text("Plan: grant")
    operator.look("order")
    operator.press(re.compile("Apply exactly this plan"))
    expect(page.get_by_role("status")).to_contain_text("Applied: 1 change")
    assert "otto.operator (console) by hand" in site.run("show", "eve@acme.example")
    operator.go(profile)
    page.get_by_label("Restricted portal access").check()
    operator.press("Change …")
    expect(page.get_by_role("alert")).to_contain_text("what no rule gave")
    operator.faults = [f for f in operator.faults if "409" not in f]
    operator.go(profile)
    operator.press("Revoke confluence")
    operator.press(re.compile("Apply exactly this plan"))
    operator.go(profile)
    page.get_by_text("Set a pin").first.click()
    page.get_by_label("Reason").fill("until the audit is over")
    operator.press("Set the pin")
    expect(page.get_by_role("status")).to_have_text("The pin is set.")
    assert "until the audit is over" in site.run("list", "pins")
    operator.press("Remove the pin ignore")
    expect(page.get_by_role("status")).to_have_text("The pin is gone.")
    operator.end()

    approver = Visitor(browser, site, "anna.approver", output)
    page = approver.go("/unassigned")
    approver.press("Mark all as portal only")
    approver.look("mark-all")
    expect(page.get_by_text("mark-portal-only").first).to_be_visible()
    approver.go("/holds")
    approver.press("Reactivate")
    approver.look("resolve-a-hold")
    expect(page.get_by_role("heading", level=1)).to_have_text("Plan: reactivate")
    expect(page.get_by_text(site.held)).to_be_visible()
    approver.end()


def a_mapping(browser, site, output):
    visitor = Visitor(browser, site, "otto.operator", output)
    page = visitor.go("/mapping")
    text = page.get_by_label(re.compile("The text to try")).input_value()
    before = (site.folder / "Mappings/acme.yaml").read_text()
    assert text.strip() == before.strip()
    box = page.get_by_label(re.compile("The text to try"))
    # Nobody reads the service's files by naming them in a mapping.
    box.fill("lists:\n  a: ../bind-password\n" + text)
    visitor.press("Try it")
    expect(page.locator(".problem").first).to_contain_text("cannot be read")
    assert (site.folder / "bind-password").read_text() not in page.content()
    box = page.get_by_label(re.compile("The text to try"))
    box.fill(text.replace("licenses: [jira-software, bitbucket]", "licenses: [jira-sofware, bitbucket]"))
    visitor.press("Try it")
    expect(page.locator(".problem")).to_contain_text("jira-sofware")
    visitor.look("mapping-fault")
    page.get_by_label(re.compile("The text to try")).fill(
        text.replace("    licenses: [jira-software]\n", "    licenses: [confluence]\n"))
    visitor.press("Try it")
    expect(page.get_by_role("region", name="What it would change")).to_contain_text("revoke-license jira-software")
    visitor.look("mapping-trial")
    assert (site.folder / "Mappings/acme.yaml").read_text() == before
    visitor.end()


def the_transition(browser, site, output):
    """All unassigned are marked; after the transition one of them is converted."""
    visitor = Visitor(browser, site, "anna.approver", output)
    page = visitor.go("/unassigned")
    visitor.press("Mark all as portal only")
    visitor.press(re.compile("Apply exactly this plan"))
    second = Visitor(browser, site, "second.approver", output)
    second.go(page.url)
    second.press(re.compile("Apply exactly this plan"))
    expect(second.page.get_by_role("status")).to_contain_text("Applied")
    second.end()
    visitor.go("/unassigned")
    expect(page.get_by_text("Nobody.")).to_be_visible()
    site.run("transition", "--apply", "--yes")
    visitor.go("/customers?q=eve%40acme")
    visitor.look("customers-after")
    visitor.press(re.compile("Convert .* to Atlassian account"))
    expect(page.get_by_text("convert-account").first).to_be_visible()
    visitor.press(re.compile("Apply exactly this plan"))
    visitor.go("/users?q=eve%40acme").get_by_role("link", name=re.compile("Eve")).click()
    expect(page.get_by_text("Atlassian account.", exact=True)).to_be_visible()
    expect(page.get_by_label("Restricted portal access")).to_have_count(0)
    visitor.look("profile-after")
    visitor.end()


def by_keyboard(browser, site, output):
    visitor = Visitor(browser, site, "vera.viewer", output)
    page = visitor.go("/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#main$"))
    visitor.go("/")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator(":focus").get_attribute("href") == "/runs":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    # A viewer sees no button that changes something.
    for path in PAGES + ["/users/1"]:
        visitor.go(path)
        names = [b.inner_text() for b in page.get_by_role("button").all()]
        assert set(names) <= {"Sign out", "Show"}, (path, names)
    visitor.end()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("usher")
    options.add_argument("--output", type=Path, default=ROOT / ".build/console")
    given = options.parse_args()
    expect.set_options(timeout=60_000)
    given.output.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with Site(given.usher, second_approver=True) as site, sync_playwright() as playwright:
        site.run("sync", codes=(0, 3))
        entitled = site.run("list", "users", "--license", "confluence", "--format", "csv").splitlines()
        site.held = entitled[-1].split(",")[0]
        site.run("deactivate", site.held, "--yes")
        site.run("sync", codes=(0, 3))  # holds what the directory would bring back
        site.serve()
        site.modify("dn: uid=eve,ou=people,dc=acme,dc=example\nchangetype: modify\nreplace: displayName\n"
                    "displayName: Eve renamed\n")
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for test in (signing_in, every_page, by_keyboard, by_hand, a_preview, a_mapping, the_transition):
            test(browser, site, given.output)
            print(f"ok {test.__name__}", flush=True)
        browser.close()
    pictures = len(list(given.output.glob("*.png")))
    print(f"{pictures} pages looked at, no serious accessibility finding, nothing on the browser's console, "
          f"{time.monotonic() - start:.0f} s; pictures in {given.output}")


if __name__ == "__main__":
    main()
