"""Sums of a stretch of time, however they were counted."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Sums:
    """Sums of one stretch of time. Durations in ms, cost in USD; `unpriced` LLM and embedding runs have none."""

    runs: int = 0
    errors: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0

    @property
    def error_rate(self) -> float | None:
        """Return the share of runs that failed, of one; None where there are no runs."""
        return self.errors / self.runs if self.runs else None
