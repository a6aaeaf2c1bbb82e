"""The description of the data API is of exactly what there is."""

import json
import re
from typing import Any

from django.test import Client

from runs import openapi, serial
from runs.api import RunList


def document(client: Client) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(client.get("/v1/openapi").content)
    return told


def test_every_address_is_described_method_by_method() -> None:
    routes = openapi.routes()
    assert {path: sorted(methods) for path, methods in routes.items() if not methods} == {}
    for path in ("/v1/runs", "/v1/runs/{run_id}", "/v1/threads/{thread_id}", "/v1/ingest/rejections", "/v1/health"):
        assert "GET" in routes[path]


def test_the_document_has_what_the_urls_have(client: Client) -> None:
    told = document(client)
    assert told["openapi"] == "3.1.0"
    described = {path: set(operations) for path, operations in told["paths"].items()}
    assert described == {path: {method.lower() for method in found} for path, found in openapi.routes().items()}
    ids = [operation["operationId"] for path in told["paths"].values() for operation in path.values()]
    assert len(set(ids)) >= len(ids) - 1  # both spellings of template_versions are one operation


def test_every_reference_leads_somewhere(client: Client) -> None:
    text = client.get("/v1/openapi").content.decode()
    schemas = json.loads(text)["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/(\w+)"', text)) <= set(schemas)
    assert {"RunView", "RunList", "Fault", "Conversation", "ExternalUser", "HeldEvent"} <= set(schemas)


def test_every_operation_says_what_it_takes_answers_and_refuses(client: Client) -> None:
    for path, operations in document(client)["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            assert "200" in operation["responses"]
            assert {each["name"] for each in operation["parameters"] if each["in"] == "path"} == set(
                re.findall(r"{(\w+)}", path)
            )
            assert ("401" in operation["responses"]) == bool(operation["security"])


def test_runs_are_described_with_the_keys_they_are_told_with(client: Client) -> None:
    schemas = document(client)["components"]["schemas"]
    assert set(schemas["RunView"]["properties"]) == set(serial.RunView.__struct_encode_fields__)
    assert set(schemas["RunList"]["properties"]) == set(RunList.__struct_encode_fields__)
    money = json.dumps(schemas["RunView"]["properties"]["cost"])
    assert '"number"' in money
    assert '"string"' not in money
