"""The keys that work on each page, as the sheet behind `?` lists them. The scripts are in static/js. Pure."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Key:
    """Keys that do one thing: alternatives, or with `then` one after the other."""

    keys: tuple[str, ...]
    does: str
    then: bool = False


@dataclass(frozen=True)
class Group:
    """Keys that belong together; `pages` begin the names of the URLs they work on, none: they work everywhere."""

    title: str
    keys: tuple[Key, ...]
    pages: tuple[str, ...] = ()

    def works_on(self, page: str) -> bool:
        """Tell whether they work on the page with this URL name."""
        return not self.pages or page.startswith(self.pages)


LISTS: Final = ("run_list", "trace_list", "thread_list", "user_list", "team_list", "organization_list")
PEEKS: Final = ("run_list", "trace_compare")
TREES: Final = ("trace_page",)
THREADS: Final = ("thread_page",)
TRACES: Final = ("trace_page", "trace_transcript", "trace_findings")

GROUPS: Final = (
    Group(
        "Rows",
        (
            Key(("j", "k"), "next row, previous row"),
            Key(("↵",), "open the row"),
            Key(("[", "]"), "newer page, older page"),
        ),
        LISTS,
    ),
    Group(
        "The run beside",
        (
            Key(("j", "k"), "next row, previous row"),
            Key(("Esc",), "close it"),
        ),
        PEEKS,
    ),
    Group(
        "The tree",
        (
            Key(("↓", "↑"), "next row, previous row"),
            Key(("j", "k"), "next row, previous row"),
            Key(("→", "←"), "unfold, fold or go up"),
            Key(("Home", "End"), "first row, last row"),
            Key(("↵",), "show the run beside the tree"),
            Key(("Esc",), "close the run, where it covers the tree"),
        ),
        TREES,
    ),
    Group(
        "Search in this trace",
        (
            Key(("/",), "search names, inputs, outputs and errors"),
            Key(("↵",), "search, then go to the next hit"),
            Key(("⇧ ↵",), "previous hit"),
            Key(("Esc",), "leave the search"),
        ),
        TREES,
    ),
    Group(
        "The replay",
        (
            Key(("←", "→"), "previous turn, next turn"),
            Key(("Home", "End"), "first moment, last moment"),
            Key(("Space",), "play, pause"),
        ),
        THREADS,
    ),
    Group("Traces of the list", (Key(("[", "]"), "previous trace, next trace"),), TRACES),
    Group(
        "Everywhere",
        (
            Key(("/",), "search"),
            Key(("g", "o"), "Overview", then=True),
            Key(("g", "r"), "Runs", then=True),
            Key(("g", "t"), "Traces", then=True),
            Key(("g", "h"), "Threads", then=True),
            Key(("g", "u"), "Users", then=True),
            Key(("g", "i"), "Ingest health", then=True),
            Key(("g", "s"), "Settings", then=True),
            Key(("?",), "these keys"),
        ),
    ),
)


def groups(page: str) -> list[Group]:
    """Return the keys of the page with this URL name, its own first."""
    return [group for group in GROUPS if group.works_on(page)]
