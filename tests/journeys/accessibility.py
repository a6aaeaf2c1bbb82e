"""axe-core over a page as it stands: what somebody with a screen reader, a keyboard or poor sight could not use."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

VENDOR = Path(__file__).with_name("vendor") / "axe"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
"""What a theme can break; the others say the same in light and dark."""

ASK = """async (ask) => {
  const {violations} = await axe.run(document, {runOnly: ask, resultTypes: ["violations"], preload: false});
  // What is scrolled half out of its pane is not small: one more turn of the wheel shows it.
  const scrolled = (node) => node.any.some((check) => check.data?.messageKey?.includes("partiallyObscured"));
  return violations.flatMap((rule) => rule.nodes.filter((node) => !scrolled(node)).map((node) =>
    `${rule.id} (${rule.help}): ${node.target.join(" ")} ${node.html.slice(0, 160)} ${
      node.any.concat(node.all, node.none).map((check) => check.message).join("; ")}`));
}"""


@cache
def source() -> str:
    """Return axe-core's source; it must be the one that SHA256SUMS says."""
    lines = [line.split() for line in (VENDOR / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    (script,) = VENDOR.glob("*.js")
    text = script.read_bytes()
    assert sha256(text).hexdigest() == sums[script.name]
    return text.decode()


def violations(page: Page, rules: list[str] | None = None) -> list[str]:
    """Return each rule that an element of the page breaks; of these rules, or of all that STANDARDS has.

    The browser evaluates the script for its debugger, which no content security policy forbids or has to allow.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(source())
    ask: dict[str, Any] = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": STANDARDS}
    return list(page.evaluate(ASK, ask))
