"""What the templates of the conversation page say."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import template
from django.template.context import Context
from django.utils.safestring import SafeString, mark_safe

from traces import prose
from traces.conversations import Thread
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
    return f"#turn-{turn.number}" if on_page else f"?turn={turn.number}#turn-{turn.number}"


@register.simple_tag(takes_context=True)
def retry_link(context: Context, turn: Turn, chat_id: UUID) -> str:
    """Return the address at which a turn shows that telling; what is chosen in other turns stays chosen."""
    own = {variant.id for variant in turn.variants}
    chosen = [one for one in context["chosen"] if one not in own]
    query: list[tuple[str, Any]] = [("turn", turn.number), *(("retry", one) for one in (*chosen, chat_id))]
    return f"?{urlencode(query)}#turn-{turn.number}"


@register.simple_tag(takes_context=True)
def speaker(context: Context, bubble: Bubble) -> str:
    """Return who said it: the end user of the message, else of the thread, else its role."""
    thread: Thread = context["thread"]
    for user_id in (bubble.row.user_id, thread.run.user_id):
        if user_id and bubble.message.role == "user":
            return thread.names[user_id].name if user_id in thread.names else user_id
    return bubble.message.name or bubble.message.role.capitalize() or "Unknown"
