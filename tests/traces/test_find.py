"""What is looked for in a trace, and the words around a match; then the same through the database."""

import json
import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.models import Run
from tests import make
from tests.traces.conftest import Site
from traces import find, find_queries, queries
from traces.find_queries import Found, Stop

NASTY = [
    *'"\\/\n\t\r\x08\x0c ,:{}[]n2uéÉßİőŐçЖжΣσς',
    "\\u2026",
    "…",
    "2026",
    "😀",
    "👩‍👩‍👧",
    "שלום",
    "مرحبا",
    "e\u0301",
    "\u202e",
    "<b>",
]
words = st.lists(st.sampled_from(NASTY) | st.characters(codec="utf-8"), max_size=12).map("".join)


# Pure ----------------------------------------------------------------------------------------------------------------


def occurs(wanted: find.Sought, low: str) -> bool:
    """Tell whether JSON text in lower case holds what is looked for, as the database is asked."""
    assert all(wanted.anchor in form for form in (*wanted.plain, *wanted.escaped))
    plain = any(find.mask_all(form) in find.mask_all(low) for form in wanted.plain)
    return plain or any(find.mask(form) in find.mask(low) for form in wanted.escaped)


def windowed(text: str, at: int) -> find.Match:
    """Return the match that a database would, at a position of JSON text."""
    begin = max(0, at - find.BEFORE)
    return find.Match("output", text[begin : at + 400], at - begin, begin == 0)


@given(words.filter(str.strip), words, words, st.booleans())
def test_every_spelling_of_a_text_is_looked_for(text: str, before: str, after: str, ascii: bool) -> None:
    text = find.asked(text)
    wanted = find.sought(text)
    low = find._lower(json.dumps(before + text + after, ensure_ascii=ascii))
    assert len(find.mask_all(low)) == len(low)
    assert occurs(wanted, low)


@pytest.mark.parametrize(
    ("typed", "held"),
    [
        ("ÉCOLE", "école"),
        ("école", "Une ÉCOLE"),
        ("жук", "ЖУК"),
        ("REFUND", "the refund"),
        ("e\u0301te\u0301", "été"),
        ("été", "e\u0301te\u0301"),
        ("śpiączka łóżko", "ŚPIĄCZKA ŁÓŻKO"),
        ('say "no"', 'Say "NO"'),
        ("C:\\temp", "c:\\TEMP"),
        ("a/b", "A/B"),
        ("日本", "日本語"),
    ],
)
@pytest.mark.parametrize("ascii", [True, False])
def test_case_and_composition_make_no_difference(typed: str, held: str, ascii: bool) -> None:
    wanted = find.sought(typed)
    low = find._lower(json.dumps(held, ensure_ascii=ascii))
    assert occurs(wanted, low)


@pytest.mark.parametrize(
    ("typed", "held"),
    [
        ("2026", "wait…"),
        ("new", "a\newest"),
        ("u2026", "wait…"),
        ("tab", "\tab"),
        ("\\n", "a\nb"),
        ("00e9", "é"),
        ("n…", "\n…"),
    ],
)
def test_the_letters_of_an_escape_sequence_are_no_match(typed: str, held: str) -> None:
    wanted = find.sought(typed)
    low = find._lower(json.dumps(held))
    assert not occurs(wanted, low)


@given(words.filter(str.strip), words, words, st.booleans(), st.booleans())
def test_a_snippet_shows_what_was_typed_in_its_words(
    text: str, before: str, after: str, ascii: bool, keyed: bool
) -> None:
    text = find.asked(text)
    held = {"content": before + text + after} if keyed else before + text + after
    raw = json.dumps(held, ensure_ascii=ascii)
    inner = json.dumps(before, ensure_ascii=ascii)[1:-1]
    shown = find.snippet(find.sought(text), windowed(raw, (13 if keyed else 1) + len(inner)))
    assert shown.match == " ".join(text.split("\n")) or find._line(json.dumps(text)[1:-1]) == shown.match
    f"{shown.before}{shown.match}{shown.after}".encode()
    assert "\n" not in shown.before + shown.match + shown.after


@pytest.mark.parametrize(
    ("raw", "typed", "before", "after"),
    [
        ('[{"role": "user", "content": "Where is my bag?"}]', "my bag", "content: Where is ", "?"),
        (
            '"It is \\"lost\\", they\\nsay \\u2026 caf\\u00e9 \\ud83d\\ude00 end"',
            "lost",
            'It is "',
            '", they say … café 😀 end',
        ),
        ('{"tokens": 4129, "ok": true}', "4129", '{"tokens": ', ', "ok": true}'),
        ('{"city": "Nice"}', "nice", "city: ", ""),
        ('"<script>alert(1)</script>"', "alert", "<script>", "(1)</script>"),
    ],
)
def test_a_snippet_is_the_string_that_holds_the_match(raw: str, typed: str, before: str, after: str) -> None:
    shown = find.snippet(find.sought(typed), windowed(raw, raw.lower().index(typed)))
    assert (shown.before, shown.match.lower(), shown.after) == (before, typed, after)
    assert not shown.more_after


def test_long_text_is_cut_between_words_and_says_so() -> None:
    raw = json.dumps("word " * 300 + "NEEDLE" + " word" * 300)
    shown = find.snippet(find.sought("needle"), windowed(raw, raw.index("NEEDLE")))
    assert shown.before.startswith("word ")
    assert len(shown.before) <= find.SHOWN_BEFORE
    assert len(shown.after) <= find.SHOWN_AFTER
    assert (shown.more_before, shown.more_after) == (True, True)


def test_names_match_in_any_script() -> None:
    found = find.named("ÉTÉ", ["l'été", "hiver", "ete"])
    assert {name: (one.before, one.match, one.after) for name, one in found.items()} == {"l'été": ("l'", "été", "")}


def test_the_beginning_of_an_id_is_enough() -> None:
    ids = [UUID(int=5).bytes, UUID(int=1 << 127).bytes]
    assert find.identified("80000000-0000-0000", ids) == [1]
    assert find.identified("00000000", ids) == [0]
    assert find.identified("0000", ids) == []
    assert find.identified("not an id", ids) == []


# Through the database ------------------------------------------------------------------------------------------------


def traced(site: Site, bodies: Iterable[dict[str, Any]]) -> Run:
    """Return the root of a trace with one tool per body, each named by its number."""
    root = make.run(site.project, "agent", name="root")
    for number, fields in enumerate(bodies):
        one = make.child(root, site.project, "tool", name=f"tool-{number:04}", id=UUID(int=1000 + number))
        one.flags = 0
        body = make.body(one)
        for name, text in fields.items():
            setattr(body, name, text)
        body.save()
    return root


def look(site: Site, root: Run, text: str, **options: Any) -> Found:
    forest = queries.forest(site.project.pk, root.id)
    assert forest is not None
    return find_queries.search(site.project.pk, forest, text, **options)


def names(found: Found) -> list[str]:
    return [hit.name for hit in found.hits]


def test_finding_equals_reading(site: Site) -> None:
    """Every text that Python finds in the decoded payloads, and no other, is found in the database."""
    chance = random.Random(4)
    letters = [one for one in NASTY if one != "\\u2026"]  # taken for an escape of an escape, on purpose
    held = ["".join(chance.choices(letters, k=9)).replace("\\u2026", "") for _ in range(120)]
    root = traced(
        site, ({"output": json.dumps(text, ensure_ascii=bool(number % 2))} for number, text in enumerate(held))
    )
    typed = {"".join(chance.choices(letters, k=chance.randint(1, 2))).strip() for _ in range(60)}
    for text in (one for one in typed if one and '"' not in one):  # a quote is also found where it is JSON's own
        folded = {find._lower(one) for one in find._cases(text)}
        expected = [
            f"tool-{number:04}" for number, one in enumerate(held) if any(form in find._lower(one) for form in folded)
        ]
        found = look(site, root, text)
        assert [hit.name for hit in found.hits if hit.snippet] == expected, text


def test_hits_say_where_and_come_in_the_order_of_the_tree(site: Site) -> None:
    root = make.run(site.project, "agent", name="Refund desk")
    chain = make.child(root, site.project, "chain", name="plan")
    deep = make.child(chain, site.project, "llm", name="gpt-4.1")
    later = root.started_at + timedelta(seconds=1)
    late = make.child(root, site.project, "tool", name="issue_refund", status="error", started_at=later)
    make.body(deep, [{"role": "user", "content": "A REFUND, please"}], "refund granted")
    make.body(late, {"amount": 4}, error={"message": "refund refused", "stack": "x"})
    other = make.run(site.project, "agent", name="refund elsewhere")
    make.body(other, "refund")
    found = look(site, root, "refund")
    assert [(hit.name, hit.fields) for hit in found.hits] == [
        ("Refund desk", ("name",)),
        ("gpt-4.1", ("output", "input")),
        ("issue_refund", ("name", "error")),
    ]
    assert found.hits[1].snippet == find.Snippet("", "refund", " granted")
    assert (found.stop, found.searched, found.total) == (Stop.END, 4, 4)
    assert [hit.id for hit in look(site, root, str(late.id)[:13]).hits] == [late.id]


def test_a_large_payload_is_found_and_never_travels(site: Site) -> None:
    root = traced(site, [{"output": json.dumps("x" * 6_000_000 + " Needle " + "y" * 6_000_000)}])
    (hit,) = look(site, root, "needle").hits
    assert hit.snippet is not None
    assert hit.snippet.match == "Needle"
    assert len(hit.snippet.before + hit.snippet.after) < 400


def test_a_search_stops_at_its_bound_and_goes_on_from_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "MOST", 3)
    monkeypatch.setattr(find_queries, "FIRST_BATCH", 2)
    root = traced(site, ({"output": '"needle"'} for _ in range(8)))
    seen, start = [], 0
    while True:
        found = look(site, root, "needle", start=start)
        seen += names(found)
        start = found.searched
        if found.stop is Stop.END:
            break
        assert found.stop is Stop.MANY
        assert len(found.hits) == 3
    assert seen == [f"tool-{number:04}" for number in range(8)]


def test_a_slow_search_keeps_what_it_has_and_says_how_far_it_came(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_queries, "FIRST_BATCH", 3)
    monkeypatch.setattr(find_queries, "LARGEST_BATCH", 3)
    root = traced(site, ({"output": '"needle"'} for _ in range(8)))
    found = look(site, root, "needle", seconds=0)
    assert found.stop is Stop.SLOW
    assert found.searched == 3
    assert names(found) == ["tool-0000", "tool-0001"]
    found = look(site, root, "needle", start=found.searched)
    assert (found.stop, len(found.hits)) == (Stop.END, 6)


def test_a_statement_that_takes_too_long_is_cancelled(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        find_queries, "SEARCH", find_queries.SEARCH.replace("ORDER BY", "AND pg_sleep(3) IS NOT NULL ORDER BY")
    )
    root = traced(site, [{"output": '"needle of tool-0000"'}])
    found = look(site, root, "needle", seconds=0.2)
    assert (found.stop, found.searched, found.hits) == (Stop.SLOW, 0, [])
    named = look(site, root, "tool-", seconds=0.2)
    assert (named.stop, names(named)) == (Stop.SLOW, ["tool-0000"]), "names need no payload"
