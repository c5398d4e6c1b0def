"""JSON Schema of every model and an AsyncAPI 3 document of the topics, generated from the models."""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from schemas import topics
from schemas.bundle import BundleManifest
from schemas.counts import WindowCounts
from schemas.dead_letter import DeadLetter
from schemas.event import EmotionEvent
from schemas.tweet import RawTweet

FOLDER: Final = Path(__file__).parent / "json"
MODELS: Final[tuple[type[BaseModel], ...]] = (RawTweet, EmotionEvent, DeadLetter, WindowCounts, BundleManifest)
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_ASYNCAPI_VERSION: Final = "3.0.0"


def documents() -> dict[str, str]:
    """File name -> content of every generated document."""
    found = {f"{model.__name__}.schema.json": _json({"$schema": _DRAFT, **_schema(model)}) for model in MODELS}
    return {**found, "asyncapi.json": _json(asyncapi())}


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
    channels: dict[str, tuple[str, type[BaseModel], str, str]] = {
        "raw": (topics.DEFAULT_RAW, RawTweet, "receive", "Raw tweets; plain text and JSON strings are accepted too."),
        "emotion": (topics.DEFAULT_EMOTION, EmotionEvent, "send", "Labelled tweets, in the partition of their tweet."),
        "dead": (topics.DEFAULT_DEAD, DeadLetter, "send", "Records without a label, with the reason and their bytes."),
    }
    return {
        "asyncapi": _ASYNCAPI_VERSION,
        "info": {"title": "tweet-emotions", "version": "1.0.0", "description": "Emotions of tweets, live."},
        "defaultContentType": "application/json",
        "channels": {
            name: {
                "address": address,
                "description": text,
                "messages": {model.__name__: {"$ref": f"#/components/messages/{model.__name__}"}},
                "bindings": {"kafka": {"topic": address, "bindingVersion": "0.5.0"}},
            }
            for name, (address, model, _, text) in channels.items()
        },
        "operations": {
            f"{action}{model.__name__}": {"action": action, "channel": {"$ref": f"#/channels/{name}"}}
            for name, (_, model, action, _) in channels.items()
        },
        "components": {
            "messages": {
                model.__name__: {
                    "name": model.__name__,
                    "contentType": "application/json",
                    "payload": {"schemaFormat": f"application/schema+json;version={_DRAFT}", "schema": _schema(model)},
                }
                for _, model, _, _ in channels.values()
            }
        },
    }


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(mode="validation")


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
