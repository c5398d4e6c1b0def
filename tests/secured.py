"""A secured Apache Kafka: SASL_SSL with SCRAM and PLAIN, and mTLS."""

import uuid
from pathlib import Path

from tests.certificates import Authority
from tests.conftest import KAFKA_HOME
from worker.brokers import ApacheKafka, free_port
from worker.settings import KafkaSettings

USER, WORKER_USER = "alice", "worker"
PASSWORDS = {"SCRAM-SHA-512": "scram-pa55-of-alice", "PLAIN": "plain-pa55-of-alice"}


class SecuredKafka:
    """One broker with a listener for SASL over TLS and one for client certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "ours", "authority")
        self.stranger = Authority(folder / "theirs", "stranger")
        server, self.client = self.authority.sign("server"), self.authority.sign("client")
        self.sasl_port, self.mtls_port, plain = free_port(), free_port(), free_port()
        jaas = "org.apache.kafka.common.security"
        self.broker = ApacheKafka(
            Path(KAFKA_HOME or ""),
            folder / "broker",
            port=plain,
            properties={
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(server.both),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.authority.certificate),
                "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": f"User:ANONYMOUS;User:{USER};User:CN=client",
                "listener.name.mtls.ssl.client.auth": "required",
                "listener.name.sasl.scram-sha-512.sasl.jaas.config": f"{jaas}.scram.ScramLoginModule required;",
                "listener.name.sasl.plain.sasl.jaas.config": (
                    f'{jaas}.plain.PlainLoginModule required user_{USER}="{PASSWORDS["PLAIN"]}";'
                ),
            },
            format_arguments=[
                argument
                for user in (USER, WORKER_USER)
                for argument in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={PASSWORDS['SCRAM-SHA-512']}]")
            ],
        )
        names = {"PLAINTEXT": plain, "SASL": self.sasl_port, "MTLS": self.mtls_port}
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in names.items())
        self.broker.properties |= {
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self.broker.controller_port}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL:SASL_SSL,MTLS:SSL,CONTROLLER:PLAINTEXT",
        }

    def settings(self, way: str, folder: Path, **changes: object) -> KafkaSettings:
        name = f"s{uuid.uuid4().hex[:8]}"
        given: dict[str, object] = {
            "ssl_ca_file": self.authority.certificate,
            **{f"{topic}_topic": f"{name}.{topic}" for topic in ("raw", "emotion", "dead")},
        }
        if way == "mtls":
            given |= {"security_protocol": "SSL", "bootstrap_servers": f"127.0.0.1:{self.mtls_port}"}
            given |= {"ssl_certificate_file": self.client.certificate, "ssl_key_file": self.client.key}
        else:
            mechanism = "PLAIN" if way == "plain" else "SCRAM-SHA-512"
            given |= {"security_protocol": "SASL_SSL", "bootstrap_servers": f"127.0.0.1:{self.sasl_port}"}
            given |= {"sasl_mechanism": mechanism, "sasl_username": USER}
            given["sasl_password_file"] = folder / "password"
            (folder / "password").write_text(PASSWORDS[mechanism] + "\n", encoding="utf-8")
        return KafkaSettings(**(given | changes))  # type: ignore[arg-type]
