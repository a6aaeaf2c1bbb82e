"""A browser that notices what a person would not forgive: errors in the console, refused scripts, nameless controls."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import requests
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    StorageState,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.browser import ARGUMENTS, find_chromium
from tests.supervisor.instances import Copy

Scheme = Literal["light", "dark"]
DESK = (1440, 900)
PHONE = (390, 844)
PATIENCE = 15_000
"""Milliseconds that a condition may take; two slow cores are shared with everything else."""
WATCH = (
    "document.addEventListener('securitypolicyviolation',"
    "e => console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sourceFile))"
)
AUDIT = """() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const brief = (element) => element.outerHTML.slice(0, 120);
  const found = [];
  for (const [selector, number] of [["h1", 1], ["main", 1], ["html[lang]", 1]])
    if (all(selector).length !== number) found.push(`${all(selector).length} of ${selector}`);
  if (!document.title.trim()) found.push("no title");
  if (document.documentElement.scrollWidth > innerWidth)
    found.push(`${document.documentElement.scrollWidth} wide in a window of ${innerWidth}`);
  const named = (element) => element.ariaLabel || element.getAttribute("aria-labelledby");
  const search = document.querySelector(".topbar form.search")?.getBoundingClientRect();
  if (search && scrollY === 0 && search.bottom > document.querySelector("main").getBoundingClientRect().top)
    found.push("the search covers the page");
  for (const control of all("input:not([type=hidden]), select, textarea"))
    if (!control.labels?.length && !named(control)) found.push("control without a label: " + brief(control));
  for (const image of all("svg, img"))
    if (!image.closest("[aria-hidden=true], [role=img], #js-plotly-tester") && !named(image) && !image.alt)
      found.push("image neither hidden nor named: " + brief(image));
  for (const target of all("a[href], button, summary")) {
    const inner = target.querySelector("[aria-label]");
    const unseen = getComputedStyle(target).contentVisibility === "auto"; // then innerText knows only what is in sight
    const words = ((unseen ? null : target.innerText) ?? target.textContent).trim();
    if (target.checkVisibility() && !words && !named(target) && !inner)
      found.push("nothing to call it: " + brief(target));
  }
  const ids = all("[id]").map((element) => element.id);
  for (const id of new Set(ids.filter((one, at) => ids.indexOf(one) !== at))) found.push("id twice: " + id);
  return found;
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Launch the browser; its event loop ends with the block, because Django refuses its ORM beside a running one."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        yield browser
        browser.close()


class Watched:
    """A page of its own context, and everything that went wrong on it."""

    def __init__(self, browser: Browser, size: tuple[int, int] = DESK, **options: Any) -> None:
        viewport: ViewportSize = {"width": size[0], "height": size[1]}
        self.context: BrowserContext = browser.new_context(viewport=viewport, **options)
        self.context.set_default_timeout(PATIENCE)
        self.context.add_init_script(WATCH)
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.problems.append(said.text)

    def show(self, size: tuple[int, int], scheme: Scheme) -> None:
        """Give the page a window of that size, on a machine that is set to light or dark."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme=scheme)

    def audit(self) -> list[str]:
        """Return what is wrong with the page as it stands."""
        return [*self.problems, *self.page.evaluate(AUDIT)]


@contextmanager
def watched(browser: Browser, size: tuple[int, int] = DESK, **options: Any) -> Iterator[Watched]:
    """Open a page that must have nothing to complain of by the end."""
    view = Watched(browser, size, **options)
    yield view
    assert not view.problems, view.problems
    view.context.close()


def log_in(page: Page, copy: Copy) -> None:
    """Log in as the account that the first start made."""
    page.goto(copy.url)
    page.get_by_label("E-mail").fill(copy.connection["email"])
    page.get_by_label("Password").fill(copy.connection["password"])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/p/**")


def logged_in(browser: Browser, copy: Copy) -> StorageState:
    """Return the cookies of a session, for contexts that need not log in again."""
    with watched(browser) as view:
        log_in(view.page, copy)
        return view.context.storage_state()


@contextmanager
def signed_in(copy: Copy) -> Iterator[requests.Session]:
    """Give a session of the first account without a browser, for pages as they are before any script runs."""
    with requests.Session() as person:
        person.get(f"{copy.url}/login", timeout=10)
        told = {"email": copy.connection["email"], "password": copy.connection["password"]}
        told["csrfmiddlewaretoken"] = person.cookies["csrftoken"]
        assert person.post(f"{copy.url}/login", told, timeout=10).url != f"{copy.url}/login"
        yield person
