"""JSON Schema of every model and an AsyncAPI 3 document of the topics, generated from the models."""

import json
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas import examples, topics
from schemas.bundle import BundleManifest
from schemas.counts import WindowCounts
from schemas.dead_letter import DeadLetter
from schemas.event import EmotionEvent
from schemas.tweet import RawTweet

FOLDER: Final = Path(__file__).parent / "json"
MODELS: Final[tuple[type[BaseModel], ...]] = (RawTweet, EmotionEvent, DeadLetter, WindowCounts, BundleManifest)
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_ASYNCAPI_VERSION: Final = "3.0.0"
_KEYS: Final = {
    "RawTweet": "Any; tweets with the same key stay in their order.",
    "EmotionEvent": "The platform's id of the tweet; null where the raw value had none.",
    "DeadLetter": "That of the raw record; null where it and the headers are too large for the letter.",
}


class _Channel(NamedTuple):
    """A topic; ``action`` is what the worker does there, ``example`` one of its records."""

    name: str
    topic: str
    action: Literal["receive", "send"]
    example: BaseModel
    description: str


_CHANNELS: Final = (
    _Channel("raw", topics.DEFAULT_RAW, "receive", examples.TWEET, "Raw tweets; plain text and JSON strings pass too."),
    _Channel(
        "emotion", topics.DEFAULT_EMOTION, "send", examples.EVENT, "Labelled tweets, in the partition of their tweet."
    ),
    _Channel(
        "dead", topics.DEFAULT_DEAD, "send", examples.LETTER, "Records without a label, with the reason and bytes."
    ),
)


def documents() -> dict[str, str]:
    """File name -> content of every generated document."""
    generated = {f"{model.__name__}.schema.json": _json({"$schema": _DRAFT, **_schema(model)}) for model in MODELS}
    return {**generated, "asyncapi.json": _json(asyncapi())}


def outdated() -> list[str]:
    """Names of committed documents that differ from the generated ones."""
    return [
        name
        for name, content in documents().items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != content
    ]


def write() -> None:
    """Write all documents into `FOLDER`."""
    FOLDER.mkdir(exist_ok=True)
    for name, content in documents().items():
        (FOLDER / name).write_text(content, encoding="utf-8")


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3 document of the three topics, from the worker's point of view."""
    return {
        "asyncapi": _ASYNCAPI_VERSION,
        "info": {"title": "tweet-emotions", "version": "1.0.0", "description": "Emotions of tweets, live."},
        "defaultContentType": "application/json",
        "channels": {
            channel.name: {
                "address": channel.topic,
                "description": channel.description,
                "messages": {_name(channel.example): {"$ref": f"#/components/messages/{_name(channel.example)}"}},
                "bindings": {"kafka": {"topic": channel.topic, "bindingVersion": "0.5.0"}},
            }
            for channel in _CHANNELS
        },
        "operations": {
            f"{channel.action}{_name(channel.example)}": {
                "action": channel.action,
                "channel": {"$ref": f"#/channels/{channel.name}"},
                "messages": [{"$ref": f"#/channels/{channel.name}/messages/{_name(channel.example)}"}],
            }
            for channel in _CHANNELS
        },
        "components": {
            "messages": {_name(channel.example): _message(channel.example) for channel in _CHANNELS},
            "schemas": _shared_schemas([type(channel.example) for channel in _CHANNELS]),
        },
    }


def _name(example: BaseModel) -> str:
    return type(example).__name__


def _message(example: BaseModel) -> dict[str, Any]:
    name = _name(example)
    return {
        "name": name,
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": {"kafka": {"key": {"type": ["string", "null"], "description": _KEYS[name]}}},
        "examples": [{"name": name, "payload": example.model_dump(mode="json")}],
    }


def _shared_schemas(models: list[type[BaseModel]]) -> dict[str, Any]:
    """The schemas of the models and of all that they refer to, by name.

    They stand beside each other: in an AsyncAPI document a ``$ref`` into the ``$defs`` of a payload leads nowhere.
    """
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    return {name: _without_raises(schema) for name, schema in schemas["$defs"].items()}


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return _without_raises(model.model_json_schema(mode="validation"))


def _without_raises(schema: dict[str, Any]) -> dict[str, Any]:
    """Drop what a docstring says of Python's exceptions: readers of the schema may use any language."""
    if "description" not in schema:
        return schema
    return schema | {"description": schema["description"].split("\n\nRaises:")[0]}


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
