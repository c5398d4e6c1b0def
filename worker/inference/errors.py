"""What can be wrong with a bundle or a runtime; every message names the file and the remedy."""


class InferenceError(Exception):
    """Root of all errors of this package."""

    exit_code = 78


class BundleMissing(InferenceError):
    """The folder, its manifest or one of its files is not there."""


class BundleTampered(InferenceError):
    """A file's sha256 is not the manifest's, or a file is there that the manifest does not name."""


class BundleUnfit(InferenceError):
    """The bundle was made for another format, label set or cleaner than this code's."""


class GoldenMismatch(InferenceError):
    """The engine does not answer as it did when the bundle was exported."""


class RuntimeMissing(InferenceError):
    """The runtime of this kind of bundle is not installed."""
