"""What the templates of the conversation page say."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django import template
from django.template.context import Context
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from traces import prose
from traces.conversations import Thread
from traces.player import Moment
from traces.replay import Replay, address, state
from traces.scrubber import Slot
from traces.story import Bubble, Conversation, Turn

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """Return what somebody wrote as sanitised HTML (see traces.prose)."""
    return mark_safe(prose.html(text))  # noqa: S308 - sanitised


@register.simple_tag(takes_context=True)
def turn_link(context: Context, turn: Turn) -> str:
    """Return the permalink of a turn: a fragment where it is on this page, else the page that holds it."""
    conversation: Conversation = context["conversation"]
    on_page = conversation.first <= turn.number <= conversation.last
    return f"#turn-{turn.number}" if on_page else turn_page(context, turn.number)


@register.simple_tag(takes_context=True)
def turn_page(context: Context, number: int) -> str:
    """Return the address of the page that holds a turn, at the same moment of the replay."""
    return f"?{urlencode([*_moment(context, context['chosen']), ('turn', number)])}#turn-{number}"


@register.simple_tag(takes_context=True)
def retry_link(context: Context, turn: Turn, chat_id: UUID) -> str:
    """Return the address at which a turn shows that telling; what is chosen in other turns stays chosen."""
    own = {variant.id for variant in turn.variants}
    chosen = [*(one for one in context["chosen"] if one not in own), chat_id]
    query = [("turn", turn.number), *(_moment(context, chosen) or (("retry", one) for one in chosen))]
    return f"?{urlencode(query)}#turn-{turn.number}"


@register.simple_tag(takes_context=True)
def replay_link(context: Context) -> str:
    """Return the address of the replay's first moment."""
    return f"?{urlencode([('at', 0), *(('retry', one) for one in context['chosen'])])}"


@register.simple_tag(takes_context=True)
def whole_link(context: Context) -> str:
    """Return the address of the whole conversation, at the turn that is being replayed."""
    number = max(context["replay"].now.turn, 1)
    return f"?{urlencode([('turn', number), *(('retry', one) for one in context['chosen'])])}#turn-{number}"


@register.simple_tag(takes_context=True)
def moment_link(context: Context, moment: Moment, speed: int | None = None) -> str:
    """Return the address of a moment of the replay; what is chosen stays chosen, and the speed unless it is named."""
    return address(moment, context["chosen"], speed or context["replay"].speed)


@register.simple_tag(takes_context=True)
def slot_link(context: Context, slot: Slot) -> str:
    """Return the address of the moment that a part of the player's track leads to."""
    return moment_link(context, Moment(slot.at, slot.turn, ()))


@register.filter
def short_clock(moment: datetime) -> str:
    """Return a time to the minute, where nothing but text can stand; another day than today's with its date."""
    local, today = timezone.localtime(moment), timezone.localtime()
    time = f"{local:%H:%M}"
    if local.date() == today.date():
        return time
    return f"{local.day} {local:%b} {time}" if local.year == today.year else f"{local.day} {local:%b %Y}"


def _moment(context: Context, chosen: Iterable[UUID]) -> list[tuple[str, object]]:
    """Return the parameters of the replay's moment; none where the whole conversation is shown."""
    replay: Replay | None = context.get("replay")
    return state(replay.now, chosen, replay.speed) if replay else []


@register.simple_tag(takes_context=True)
def speaker(context: Context, bubble: Bubble) -> str:
    """Return who said it: the end user of the message, else of the thread, else its role."""
    thread: Thread = context["thread"]
    for user_id in (bubble.row.user_id, thread.run.user_id):
        if user_id and bubble.message.role == "user":
            return thread.names[user_id].name if user_id in thread.names else user_id
    return bubble.message.name or bubble.message.role.capitalize() or "Unknown"
