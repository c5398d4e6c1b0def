"""What can stop the worker, one sentence each; every message names what, where and what to do."""


class WorkerError(Exception):
    """Root of all errors that end a command with a clear line instead of a traceback."""

    exit_code = 1


class BrokerUnreachable(WorkerError):
    """No broker answered within the bound."""

    exit_code = 69


class BrokerRefused(WorkerError):
    """A broker answers, but does not let us in or gives us too few rights, or we do not trust it."""

    exit_code = 77


class TopicsUnfit(WorkerError):
    """A topic is missing or has the wrong shape."""

    exit_code = 78


class CannotListen(WorkerError):
    """The HTTP server cannot have its address or port."""

    exit_code = 73


class DataFolderTaken(WorkerError):
    """Another worker uses the data folder."""

    exit_code = 73


class PublishFailed(WorkerError):
    """The broker did not confirm an event or dead letter; nothing of the batch was acknowledged."""

    exit_code = 74


class SecretUnreadable(WorkerError):
    """A file that should hold a secret cannot be read."""

    exit_code = 78


class BrokerNotStarted(WorkerError):
    """A broker that we start ourselves did not come up."""
