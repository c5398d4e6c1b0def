"""What one would write without this project: consume, score, produce, flush, commit. Configured as ``worker run``.

No table, no exact counts, no dead letters, one batch after the other: what the worker is compared with.
"""

from typing import cast

import orjson
from confluent_kafka import Consumer, Producer

from schemas.emotions import EMOTIONS
from worker.inference.engine import load_engine
from worker.settings import KafkaSettings, WorkerSettings


def run(kafka: KafkaSettings, worker: WorkerSettings) -> None:
    """Label until killed."""
    engine = load_engine(worker.bundle, threads=worker.threads)
    group = {"group.id": worker.app_id, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer(kafka.client_config() | group)
    producer = Producer(
        kafka.client_config() | {"enable.idempotence": True, "acks": "all", "linger.ms": 1, "compression.type": "lz4"}
    )
    consumer.subscribe([kafka.raw_topic])
    while True:
        messages = [message for message in consumer.consume(worker.max_batch, 0.1) if message.error() is None]
        if not messages:
            continue
        tweets = [orjson.loads(message.value() or b"") for message in messages]
        for message, tweet, row in zip(messages, tweets, engine.predict([t["text"] for t in tweets]), strict=True):
            event = {
                "id": tweet["id"],
                "label": EMOTIONS[row.argmax()],
                "probabilities": dict(zip(EMOTIONS, row.tolist(), strict=True)),
            }
            place = cast("int", message.partition())
            producer.produce(kafka.emotion_topic, orjson.dumps(event), message.key(), place)
        producer.flush()
        consumer.commit(asynchronous=False)


if __name__ == "__main__":
    run(KafkaSettings(), WorkerSettings())
