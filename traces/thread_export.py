"""Conversations as files: one as Markdown, JSON or JSONL, a whole list as JSONL, in memory that no length changes.

What a file says is of one moment. First it is settled which messages it holds, without their bodies; those are read a
few hundred at a time, fewer where they are long, and written as they are read.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Func, IntegerField, QuerySet, Sum, TextField, Value
from django.utils import timezone
from django.utils.text import slugify

from projects.models import Project
from runs import bodies, conditions, keyset, serial
from runs.models import Message, Run
from runs.patience import patience
from runs.queries import people
from traces import api, api_threads, conversations, thread_jsonl, thread_list, thread_markdown, thread_summaries
from traces.api_threads import Said
from traces.export import chunks, one_moment
from traces.filters import ThreadFilters
from traces.models import ThreadSummary
from traces.story import ChatRow, MessageRow, Story
from traces.thread import whole
from traces.thread_markdown import Head, Names

THREADS: Final = 200
"""Threads of a list that are looked up at once."""
WRITTEN: Final = 32 * 1024
"""Bytes handed on at once, about."""
SECONDS: Final = 60.0
"""How long finding the next THREADS threads of a list may take."""

Key = tuple[UUID, str]
"""A message: its id and side."""
_SIZE: Final = Func(F("body"), function="octet_length", output_field=IntegerField())
_FIELDS: Final = [name if name != "body" else Value("", TextField()) for name in MessageRow.__struct_fields__]


@dataclass(frozen=True)
class Origin:
    """Where an export comes from: the project, its pages' addresses, and a trace's page with NO_ID in it."""

    project: Project
    place: serial.Place
    trace_page: str


def find(project_id: int, thread_id: UUID) -> Run | None:
    """Return the thread's own run, None where there is no such thread."""
    return conditions.of_project(project_id).filter(id=thread_id, type="thread").first()


def file_name(project_id: int, run: Run, ending: str) -> str:
    """Return what the file is called: the thread's first words, its first day and the beginning of its id."""
    summary = thread_summaries.current(project_id, [run.id]).get(run.id)
    words = slugify(summary.first if summary else "")[:60].strip("-") or "thread"
    return f"{words}-{run.started_at:%Y-%m-%d}-{run.id.hex[:8]}{ending}"


def as_json(origin: Origin, run: Run) -> Iterator[bytes]:
    """Yield the thread as `GET /v1/threads/{id}` answers it, byte for byte."""
    with one_moment():
        (facts,) = api.facts_of(origin.place, origin.project, [run])
        told = api_threads.conversation(run, with_bodies=False)
        yield serial.encode(api.ThreadView(**facts))[:-1] + b',"messages":['
        between = b""
        for part in _filled(run, told.messages):
            yield between + b",".join(serial.encode(api.message_view(said)) for said in part)
            between = b","
        events = b",".join(serial.encode(api.event_view(event, metadata)) for event, metadata in told.events)
        yield b'],"customEvents":[' + events + b"]}"


def as_markdown(origin: Origin, run: Run) -> Iterator[bytes]:
    """Yield the thread as Markdown, each retry beneath the turn it belongs to."""
    project_id = origin.project.pk
    with one_moment():
        story = conversations.story_of(project_id, run.id, with_bodies=False)
        turns, between = whole(story)
        speakers = {row.user_id for row in story.messages if row.user_id} | ({run.user_id} if run.user_id else set())
        known = {id: person.name for id, person in people(project_id, speakers).items()}
        names = Names(known, lambda id: origin.trace_page.replace(serial.NO_ID, str(id)))
        order = list(thread_markdown.reading_order(turns))
        texts = _texts(project_id, _sizes(project_id, [run.id]), order)
        parts = thread_markdown.document(_head(origin, run, known), turns, between, story.feedback, names, texts)
        yield from _gathered(part.encode() for part in parts)


def as_jsonl(project_id: int, threads: Sequence[UUID], chosen: Collection[UUID] = ()) -> Iterator[bytes]:
    """Yield a line for each of the threads, in OpenAI's chat format; a thread in which nothing was said has none.

    Of an exchange that was retried, the line has the telling among `chosen`, else the last.
    """
    with one_moment():
        yield from _gathered(_lines(project_id, threads, chosen))


def list_as_jsonl(project_id: int, filters: ThreadFilters) -> Iterator[bytes]:
    """Yield a line for each thread that the filters let through, in the order of the list."""
    with one_moment():
        yield from _gathered(
            piece
            for page in _pages(project_id, filters)
            for part in chunks(_weights(project_id, page))
            for piece in _lines(project_id, part)
        )


def count(project_id: int, filters: ThreadFilters) -> int:
    """Return how many threads the filters let through."""
    return _listed(project_id, filters).count()


def size(project_id: int, filters: ThreadFilters) -> int:
    """Return how many bytes the messages of these threads are, as sent: about the size of their lines."""
    messages = Message.objects.filter(project_id=project_id, thread_id__in=_listed(project_id, filters).values("id"))
    return messages.aggregate(size=Sum(_SIZE))["size"] or 0


def _listed(project_id: int, filters: ThreadFilters) -> QuerySet[Any]:
    """Return the threads of a list as it finds them."""
    if thread_list.asks_summaries(filters):
        return filters.summaries(project_id).annotate(id=F("thread_id"))
    return filters.runs(project_id)


def _pages(project_id: int, filters: ThreadFilters) -> Iterator[list[UUID]]:
    order, cursor = thread_list.sort_of(filters).order, None
    while True:
        with patience(SECONDS):
            page = keyset.page(_listed(project_id, filters), order, cursor, THREADS, ("id",))
        yield [row["id"] for row in page.rows]
        cursor = page.older
        if cursor is None:
            return


def _lines(project_id: int, threads: Sequence[UUID], chosen: Collection[UUID] = ()) -> Iterator[bytes]:
    """Yield the lines of a few threads, piece by piece: three queries, and one for each part of their messages."""
    told = {thread: _order(story, chosen) for thread, story in _stories(project_id, threads).items()}
    order = [row for thread in threads for row in told[thread]]
    texts = _texts(project_id, _sizes(project_id, threads), order)
    for thread in threads:
        # A line reads its messages to the end, so that the next one's texts come next.
        yield from thread_jsonl.line((row.side, bodies.whole_message(next(texts))) for row in told[thread])


def _stories(project_id: int, threads: Sequence[UUID]) -> dict[UUID, Story]:
    """Return which messages and exchanges each thread has, without bodies."""
    stories = {thread: Story(messages=[], chats=[]) for thread in threads}
    messages = Message.objects.filter(project_id=project_id, thread_id__in=threads)
    for thread, *row in messages.values_list("thread_id", *_FIELDS):
        if thread in stories:
            stories[thread].messages.append(MessageRow(*row))
    chats = conditions.of_project(project_id).filter(thread_id__in=threads, type="chat")
    for thread, *row in chats.values_list("thread_id", "id", "started_at", "sibling_of"):
        if thread in stories:
            stories[thread].chats.append(ChatRow(*row))
    return stories


def _order(story: Story, chosen: Collection[UUID]) -> list[MessageRow]:
    """Return the messages of the tellings that are told, in order of time."""
    turns, _ = whole(story, chosen)
    return [
        row
        for turn in turns
        for row in sorted([*turn.variant.inputs, *turn.variant.answers], key=lambda message: message.at)
    ]


def _weights(project_id: int, threads: Sequence[UUID]) -> Iterator[tuple[UUID, int]]:
    """Yield each thread with the bytes that its messages are, in the given order."""
    messages = Message.objects.filter(project_id=project_id, thread_id__in=threads).order_by()
    found = dict(messages.values_list("thread_id").annotate(size=Sum(_SIZE)))
    yield from ((thread, found.get(thread, 0)) for thread in threads)


def _sizes(project_id: int, threads: Sequence[UUID]) -> dict[Key, int]:
    """Return the size in bytes of every message of these threads."""
    messages = Message.objects.filter(project_id=project_id, thread_id__in=threads)
    return {(id, side): size for id, side, size in messages.values_list("id", "side", _SIZE)}


def _texts(project_id: int, sizes: dict[Key, int], order: Iterable[MessageRow]) -> Iterator[str]:
    """Yield the bodies of these messages in order, few of them in memory."""
    for part in chunks(((row.id, row.side), sizes.get((row.id, row.side), 0)) for row in order):
        found = _bodies(project_id, part)
        yield from (found.get(key, "") for key in part)


def _bodies(project_id: int, keys: Sequence[Key]) -> dict[Key, str]:
    messages = Message.objects.filter(project_id=project_id, id__in={id for id, _ in keys})
    return {(id, side): body for id, side, body in messages.values_list("id", "side", "body")}


def _filled(run: Run, messages: Sequence[Said]) -> Iterator[list[Said]]:
    """Yield messages with their bodies, part by part; a part's are let go of when the next one is asked for."""
    sizes = _sizes(run.project_id, [run.id])
    families = [[said, *said.siblings] for said in messages]
    weights = ((at, sum(sizes.get(_key(each), 0) for each in family)) for at, family in enumerate(families))
    for part in chunks(weights):
        members = [each for at in part for each in families[at]]
        api_threads.fill(members, _bodies(run.project_id, [_key(each) for each in members]))
        yield [messages[at] for at in part]
        for each in members:
            each.message.body, each.tool_calls = "", None


def _key(said: Said) -> Key:
    return said.message.id, said.message.side


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in parts of about WRITTEN."""
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= WRITTEN:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)


def _head(origin: Origin, run: Run, known: dict[str, str]) -> Head:
    """Return what the document says of the thread before its first turn."""
    (facts,) = api.facts_of(origin.place, origin.project, [run])
    summary = thread_summaries.current(origin.project.pk, [run.id]).get(run.id)
    metadata = bytes(facts["metadata"]).decode()
    pairs = {
        "Thread": str(run.id),
        "Project": origin.project.name,
        "End user": _named(run.user_id, known),
        "Team": run.team_id or "",
        "Organization": run.organization_id or "",
        "Started": thread_markdown.moment(summary.started_at if summary else run.started_at),
        "Last activity": thread_markdown.moment(summary.ended_at) if summary else "",
        "Length": _length(summary) if summary else "",
        "Tokens": str(summary.tokens) if summary and summary.tokens else "",
        "Cost": _cost(summary) if summary else "",
        "Tags": ", ".join(run.tags or ()),
        "Page": facts["url"],
        "Exported": thread_markdown.moment(timezone.now()),
    }
    return Head(
        title=summary.first if summary else "",
        facts=tuple((key, value) for key, value in pairs.items() if value),
        metadata="" if metadata in ("null", "{}") else metadata,
    )


def _named(user_id: str | None, known: dict[str, str]) -> str:
    name = known.get(user_id or "", "")
    return f"{name} ({user_id})" if name and name != user_id else user_id or ""


def _length(summary: ThreadSummary) -> str:
    figures = ((summary.exchanges, "turn", "s"), (summary.messages, "message", "s"), (summary.retries, "retr", "ies"))
    one = {"retr": "retry"}
    return ", ".join(
        f"{n} {one.get(word, word) if n == 1 else word + plural}" for n, word, plural in figures if n or word == "turn"
    )


def _cost(summary: ThreadSummary) -> str:
    if summary.cost is None:
        return "unknown" if summary.unknown else ""
    return thread_markdown.money(summary.cost) + (" or more" if summary.unknown else "")
