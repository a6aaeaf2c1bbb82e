"""What the templates of the conversation page say."""

from django import template
from django.utils.safestring import SafeString, mark_safe

from traces import prose

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """Return what somebody wrote as sanitised HTML (see traces.prose)."""
    return mark_safe(prose.html(text))  # noqa: S308 - sanitised
