import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from schemas.documents import MODELS, asyncapi, documents, outdated
from schemas.emotions import EMOTIONS
from schemas.examples import EVENT, LETTER, TWEET

BUNDLE = Path(__file__).parents[2] / "bundles" / "lstm"


def test_the_committed_documents_are_the_generated_ones() -> None:
    assert outdated() == []


@pytest.mark.parametrize("name", [f"{model.__name__}.schema.json" for model in MODELS])
def test_every_schema_is_valid_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(json.loads(documents()[name]))


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()
    for reference in set(references(document)):
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert target, reference


@pytest.mark.parametrize("example", [TWEET, EVENT, LETTER], ids=["tweet", "event", "letter"])
def test_an_example_record_fits_its_schema_and_reads_back_the_same(example: BaseModel) -> None:
    model = type(example)
    schema = json.loads(documents()[f"{model.__name__}.schema.json"])
    value = json.loads(example.model_dump_json())
    Draft202012Validator(schema).validate(value)
    assert model.model_validate(value) == example


def test_an_event_without_a_label_does_not_fit_the_schema() -> None:
    value = EVENT.model_dump(mode="json", exclude={"label"})
    assert not Draft202012Validator(json.loads(documents()["EmotionEvent.schema.json"])).is_valid(value)


def test_the_manifest_of_the_shipped_bundle_fits_its_schema() -> None:
    manifest = json.loads((BUNDLE / "manifest.json").read_text(encoding="utf-8"))
    Draft202012Validator(json.loads(documents()["BundleManifest.schema.json"])).validate(manifest)


def test_the_label_order_is_the_published_one() -> None:
    assert EMOTIONS == ("sadness", "joy", "love", "anger", "fear", "surprise")
