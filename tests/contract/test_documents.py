import json

import pytest
from jsonschema import Draft202012Validator

from schemas.documents import MODELS, asyncapi, documents, outdated
from schemas.emotions import EMOTIONS


def test_the_committed_documents_are_the_generated_ones() -> None:
    assert outdated() == []


@pytest.mark.parametrize("name", [f"{model.__name__}.schema.json" for model in MODELS])
def test_every_schema_is_valid_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(json.loads(documents()[name]))


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()
    references = [channel["messages"].values() for channel in document["channels"].values()]
    for reference in [r for group in references for r in group] + [
        o["channel"] for o in document["operations"].values()
    ]:
        target = document
        for part in reference["$ref"].removeprefix("#/").split("/"):
            target = target[part]


def test_the_label_order_is_the_published_one() -> None:
    assert EMOTIONS == ("sadness", "joy", "love", "anger", "fear", "surprise")
