"""A worker on a broker that gives it no more rights than it needs, or fewer."""

from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.conftest import KAFKA_HOME
from tests.secured import WORKER_USER, SecuredKafka
from tests.stream import START_BOUND_S, Stream, wait_for
from worker.commands.topics import create_topics
from worker.errors import BrokerRefused
from worker.rights import check_rights
from worker.settings import KafkaSettings, WorkerSettings

pytestmark = [
    pytest.mark.integration,
    pytest.mark.apache,
    pytest.mark.skipif(KAFKA_HOME is None, reason="no KAFKA_HOME"),
]


Created = tuple[KafkaSettings, WorkerSettings]


@pytest.fixture
def created(secured: SecuredKafka, tiny_bundle: Path, tmp_path: Path) -> Created:
    """An administrator's settings, and those of a worker whose topics are there and who has no rights yet."""
    kafka = secured.settings("scram", tmp_path)
    worker = WorkerSettings(app_id=f"{kafka.raw_topic}-app", bundle=tiny_bundle, data_dir=tmp_path / "data")
    create_topics(kafka, worker, partitions=4)
    return kafka, worker


def test_a_worker_needs_no_more_than_the_rights_in_docs_operations(created: Created, tmp_path: Path) -> None:
    kafka, worker = created
    give(kafka, documented_rights(kafka, worker))
    with Stream(kafka, worker, tmp_path / "worker.log") as stream:
        stream.produce([b"so happy", b"what a sad day"] * 20)
        stream.start(KAFKA_SASL_USERNAME=WORKER_USER)
        stream.check_exact(40)
        assert stream.terminate() == 0
        assert "cannot be read" not in stream.log.read_text()


NO_PERMISSION = 77
LACKING = [
    "Read on raw",
    "Read on emotion",
    "Write on dead",
    "Read on changelog",
    "Write on changelog",
    "Read on group",
]


@pytest.mark.parametrize("lacking", LACKING)
def test_a_right_that_is_missing_is_named_before_the_first_tweet(created: Created, lacking: str) -> None:
    kafka, worker = created
    check_rights(kafka, worker)
    rights = documented_rights(kafka, worker)
    del rights[lacking]
    give(kafka, rights)
    theirs = kafka.model_copy(update={"sasl_username": WORKER_USER})
    right, name = lacking.split(" on ")
    names = {"changelog": worker.changelog_topic, "group": f"the group {worker.app_id}"}
    whole = names.get(name, f"{kafka.raw_topic.removesuffix('raw')}{name}")
    told = f"{WORKER_USER} has no right to {right} on {whole}, or it does not exist; "
    wait_for(lambda: refusal(theirs, worker).startswith(told), 30, lambda: refusal(theirs, worker))


def refusal(kafka: KafkaSettings, worker: WorkerSettings) -> str:
    """What is said of rights that are missing; they take a moment to be given."""
    try:
        check_rights(kafka, worker)
    except BrokerRefused as refused:
        return str(refused)
    return ""


def test_a_worker_ends_with_a_clear_line_where_rights_are_missing_or_taken_away(
    created: Created, tmp_path: Path
) -> None:
    kafka, worker = created
    with Stream(kafka, worker, tmp_path / "worker.log") as stream:
        stream.start(KAFKA_SASL_USERNAME=WORKER_USER)
        assert stream.ended() == NO_PERMISSION
        error = stream.log.read_text().splitlines()[-1]
        assert error.startswith(f"error: {WORKER_USER} has no right to Read on {kafka.raw_topic}, Read and Write on ")
        assert f"Read on the group {worker.app_id}" in error
        theirs = kafka.model_copy(update={"sasl_username": WORKER_USER})
        rights = documented_rights(kafka, worker)
        for lost in ("Write on emotion", "Write on changelog", "Read on group"):
            give(kafka, rights)
            wait_for(lambda: not refusal(theirs, worker), 30)
            stream.log.write_text("")
            stream.start(KAFKA_SASL_USERNAME=WORKER_USER)
            wait_for(lambda: stream.get("/readyz")["ready"], START_BOUND_S)
            take_away(kafka, rights[lost])
            stream.produce([b"so happy"] * 40)
            assert stream.ended() == NO_PERMISSION, lost
            said = stream.log.read_text()
            assert "uthorization" in said or "no right to Write on" in said
            traced = [line for line in said.splitlines() if "Traceback" in line]
            assert not [line for line in traced if "Error while stopping child" not in line], said


def documented_rights(kafka: KafkaSettings, worker: WorkerSettings) -> dict[str, AclBinding]:
    """What docs/operations.md says that a worker needs, for `WORKER_USER`."""
    topics = {
        "raw": kafka.raw_topic,
        "emotion": kafka.emotion_topic,
        "dead": kafka.dead_topic,
        "changelog": worker.changelog_topic,
    }
    wanted = [(name, ResourceType.TOPIC, topic, AclOperation.READ) for name, topic in topics.items()]
    wanted += [(name, ResourceType.TOPIC, topics[name], AclOperation.WRITE) for name in topics if name != "raw"]
    wanted += [("group", ResourceType.GROUP, worker.app_id, AclOperation.READ)]
    return {
        f"{right.name.title()} on {name}": AclBinding(
            kind, whole, ResourcePatternType.LITERAL, f"User:{WORKER_USER}", "*", right, AclPermissionType.ALLOW
        )
        for name, kind, whole, right in wanted
    }


def give(kafka: KafkaSettings, rights: dict[str, AclBinding]) -> None:
    admin = AdminClient(kafka.client_config())
    for made in admin.create_acls(list(rights.values())).values():
        made.result(30)


def take_away(kafka: KafkaSettings, right: AclBinding) -> None:
    place = (right.restype, right.name, right.resource_pattern_type, right.principal, right.host, right.operation)
    found = AclBindingFilter(*place, right.permission_type)
    admin = AdminClient(kafka.client_config())
    for gone in admin.delete_acls([found]).values():
        assert len(gone.result(30)) == 1
