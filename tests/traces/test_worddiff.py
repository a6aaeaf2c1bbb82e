"""Word diffs: nothing is lost, words stay whole in any script, and hostile texts cost no more than honest ones."""

import random
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traces.forests import relaxed
from traces import worddiff
from traces.worddiff import COMPARED, FOLDED, MOST_SPANS, Kind, Span, diff, pieces

prose = st.text(st.sampled_from("ab1 \n.,{}é한漢字ذ\u0301\u200d👩"), max_size=40) | st.text(max_size=30)


def joined(spans: tuple[Span, ...], *kinds: Kind) -> str:
    return "".join(span.text for span in spans if span.kind in (Kind.COMMON, *kinds))


def marked(left: str, right: str) -> str:
    """Return the diff as a line: [-removed-] and {+added+}."""
    shapes = {Kind.COMMON: "{}", Kind.REMOVED: "[-{}-]", Kind.ADDED: "{{+{}+}}"}
    return "".join(shapes[span.kind].format(span.text) for span in diff(left, right))


@relaxed
@given(prose, prose, prose, prose)
def test_the_spans_are_both_texts(head: str, left: str, right: str, tail: str) -> None:
    spans = diff(head + left + tail, head + right + tail)
    assert joined(spans, Kind.REMOVED) == head + left + tail
    assert joined(spans, Kind.ADDED) == head + right + tail
    assert all(span.text for span in spans)
    kinds = [span.kind for span in spans]
    assert all(one is not other for one, other in pairwise(kinds))


@relaxed
@given(prose, prose)
def test_beyond_every_bound_they_still_are(left: str, right: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worddiff, "COMPARED", 12)
        patch.setattr(worddiff, "MOST_SPANS", 3)
        spans = diff(left, right)
    assert joined(spans, Kind.REMOVED) == left
    assert joined(spans, Kind.ADDED) == right
    assert len(spans) <= 10


@given(prose)
def test_a_text_differs_from_itself_in_nothing(text: str) -> None:
    assert diff(text, text) == ((Span(Kind.COMMON, text),) if text else ())


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("Where is order 5521? It left.", "Where is order 5522? It left.", "Where is order [-5521-]{+5522+}? It left."),
        ("It left.", "It has left.", "It {+has +}left."),
        ('{"temperature": 0.2}', '{"temperature": 0.7}', '{"temperature": [-0.2-]{+0.7+}}'),
        ("أين طلبي رقم 5521؟", "أين طلبي رقم 99؟", "أين طلبي رقم [-5521-]{+99+}؟"),
        ("我想退款，谢谢", "我想换货，谢谢", "我想[-退款-]{+换货+}，谢谢"),
        ("see 👩‍👧 now", "see 👩‍👦 now", "see [-👩‍👧-]{+👩‍👦+} now"),
        ("cafe\u0301 open", "cafe open", "[-cafe\u0301-]{+cafe+} open"),
        ("one  two", "one two", "one[-  -]{+ +}two"),
        ("the quick brown fox", "zwölf Boxkämpfer jagen", "[-the quick brown fox-]{+zwölf Boxkämpfer jagen+}"),
        ("a\nb\nc\n", "a\nB\nc\n", "a\n[-b-]{+B+}\nc\n"),
        ("", "new", "{+new+}"),
    ],
)
def test_words_are_compared_as_people_read_them(left: str, right: str, expected: str) -> None:
    assert marked(left, right) == expected


def test_what_changes_beyond_a_long_common_beginning_is_found() -> None:
    history = "user: and what else?\n" * 20_000
    spans = diff(f"{history}user: Oslo", f"{history}user: Nice")
    assert [span.text for span in spans if span.kind is not Kind.COMMON] == ["Oslo", "Nice"]


def test_beyond_its_bound_a_text_is_told_but_not_compared() -> None:
    spans = diff("x " * COMPARED, "y " * 10)
    beyond = [span for span in spans if not span.compared]
    assert [(span.kind, len(span.text)) for span in beyond] == [(Kind.REMOVED, COMPARED - 1)]
    assert pieces(beyond)[0].kind == "removed-beyond"
    assert pieces(beyond)[0].size == COMPARED - 1
    assert pieces(beyond)[0].text == ""


HOSTILE = {
    "the same words in another order": ("a b " * 16_000, "b a " * 8_000 + "c d " * 8_000),
    "two letters": ("".join(random.Random(1).choices("a \n", k=COMPARED)), "a b\n" * (COMPARED // 4)),
    "many short lines": ("\n".join(random.Random(2).choices("abcde", k=32_000)), "e\nd\nc\nb\n" * 8_000),
    "one endless word": ("a" * 2_000_000, "b" * 2_000_000),
    "blanks": (" " * 500_000, " " * 499_999 + "\t"),
    "two megabytes of the same": ("lorem ipsum\n" * 170_000, "lorem ipsum\n" * 170_000 + "dolor"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_texts_take_a_moment(what: str) -> None:
    left, right = HOSTILE[what]
    began = time.process_time()
    spans = diff(left, right)
    shown = pieces(spans)
    assert time.process_time() - began < 5
    assert len(spans) <= MOST_SPANS + 6
    assert joined(spans, Kind.REMOVED) == left
    assert joined(spans, Kind.ADDED) == right
    assert sum(len(piece.text) for piece in shown) < 3 * COMPARED


def test_what_did_not_change_is_folded_but_for_its_edges() -> None:
    lines = "".join(f"line {number}\n" for number in range(200))
    shown = pieces(diff(f"one\n{lines}two\n{lines}three", f"ONE\n{lines}TWO\n{lines}THREE"))
    folds = [piece for piece in shown if piece.kind == "fold"]
    assert [fold.lines for fold in folds] == [194, 194]
    before = shown[shown.index(folds[0]) - 1]
    after = shown[shown.index(folds[0]) + 1]
    assert before.text == "line 0\nline 1\nline 2\n"
    assert after.text == "line 197\nline 198\nline 199\n"


def test_a_fold_holds_so_much_and_says_what_it_leaves_out() -> None:
    shown = pieces(diff("x " * 40_000 + "end", "x " * 40_000 + "END"))
    (fold,) = (piece for piece in shown if piece.kind == "fold")
    assert len(fold.text) == FOLDED
    assert fold.cut == fold.size - FOLDED
    assert fold.size > 79_000


@relaxed
@given(
    st.text(st.sampled_from("ab \n"), max_size=600), st.text(st.sampled_from("ab \n"), max_size=20), st.integers(0, 600)
)
def test_pieces_leave_nothing_out(common: str, change: str, place: int) -> None:
    left, right = common, common[:place] + change + common[place:]
    shown = pieces(diff(left, right))
    assert "".join(piece.text for piece in shown if piece.kind != "removed") == right
