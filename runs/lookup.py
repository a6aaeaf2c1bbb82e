"""From any form of an id to the run it means (rule 2): raw, hashed by Lunary's server or by its SDK with any key."""

from uuid import UUID

from projects.keys import hashing_texts
from runs import ids
from runs.models import Alias, Message, Run


def find_run(project_id: int, text: str) -> Run | None:
    """Return the run that a person means by `text`: a run's id in any form, or a message's, which leads to its chat.

    One query where the id is a run's own, three at most.
    """
    forms = _forms(project_id, text)
    return _first(project_id, forms) or _first(project_id, _others(project_id, forms))


def canonical(project_id: int, text: str) -> list[UUID]:
    """Return every stored id that `text` may mean, for use in a condition; runs with these ids need not exist."""
    forms = _forms(project_id, text)
    return [*forms, *_others(project_id, forms)]


def _forms(project_id: int, text: str) -> list[UUID]:
    """Return every stored id of the text, then of the text without the spaces that come along when it is pasted."""
    sent = text.replace("\x00", "\ufffd")  # as on the way in
    keys = hashing_texts(project_id)
    return [UUID(form) for form in dict.fromkeys([*ids.forms(sent, keys), *ids.forms(sent.strip(), keys)])]


def _others(project_id: int, forms: list[UUID]) -> list[UUID]:
    """Return where aliases and messages lead; an alias may be one of a message's, so aliases are followed first."""
    if not forms:
        return []
    named = Alias.objects.filter(project_id=project_id, alias__in=forms).values_list("canonical", flat=True)
    canonicals = list(named)
    messages = Message.objects.filter(project_id=project_id, id__in=[*forms, *canonicals], chat_id__isnull=False)
    chats = [chat for chat in messages.values_list("chat_id", flat=True) if chat is not None]
    return list(dict.fromkeys([*canonicals, *chats]))


def _first(project_id: int, wanted: list[UUID]) -> Run | None:
    """Return the run whose id comes first in `wanted`."""
    if not wanted:
        return None
    found = {run.id: run for run in Run.objects.filter(project_id=project_id, id__in=wanted)}
    return next((found[id] for id in wanted if id in found), None)
