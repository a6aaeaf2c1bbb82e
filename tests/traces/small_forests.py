"""Small forests of few names, so that runs can be taken for each other: what aligning has to be careful with."""

from hypothesis import strategies as st

from tests.traces.forests import row, uid
from traces.columns import RunRow
from traces.tree import Forest, grow

ROOTLESS = 99  # the id of a root that was never received

Plan = list[tuple[int, str, str, bool]]
plans: st.SearchStrategy[Plan] = st.lists(
    st.tuples(st.integers(0, 19), st.sampled_from(("llm", "tool", "chain")), st.sampled_from("ab"), st.booleans()),
    min_size=1,
    max_size=16,
)
"""For each run: its parent, which may be missing, itself or beneath it; type, name, whether it failed."""


def planned(plan: Plan) -> list[RunRow]:
    """Return the rows of a plan, in order of start."""
    return [
        row(number, parent if number else None, number, type=kind, name=name, status="error" if failed else "success")
        for number, (parent, kind, name, failed) in enumerate(plan)
    ]


def _grown(plan: Plan, rooted: bool) -> Forest:
    return grow(uid(0 if rooted else ROOTLESS), planned(plan))


forests: st.SearchStrategy[Forest] = st.builds(_grown, plans, st.sampled_from((True, True, False)))
