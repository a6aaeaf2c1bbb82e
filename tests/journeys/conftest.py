"""A whole copy of the product, shared by the journeys of one worker."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.supervisor.instances import Copy, running, until


class Instance:
    """A running copy, seen by a program that holds the private key of a project."""

    def __init__(self, copy: Copy, project: dict[str, str]) -> None:
        self.url = copy.url
        self.copy = copy
        self.project_id = project["project_id"]
        self.public_key = project["public_key"]
        self.private_key = project["private_key"]

    @property
    def environment(self) -> dict[str, str]:
        """Return what `make run` says to export."""
        return {"LUNARY_API_URL": self.url, "LUNARY_PUBLIC_KEY": self.public_key}

    def get(self, path: str) -> Any:
        """Return the JSON answer of the data API, which must be 200."""
        answer = requests.get(self.url + path, headers={"Authorization": f"Bearer {self.private_key}"}, timeout=10)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs of the project (at most 50)."""
        return list(self.get("/v1/runs?type=all")["data"])

    def wait_for_runs(self, number: int, seconds: float = 10) -> list[dict[str, Any]]:
        """Return the project's runs as soon as there are so many."""
        return until(lambda: len(found := self.runs()) >= number and found, seconds, f"{number} runs") or []


@pytest.fixture(scope="session")
def whole_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """Start everything once, in a directory of its own."""
    with running(Copy(tmp_path_factory.mktemp("copy"))) as copy:
        yield copy
