"""What can stop training; every message names what, where and what to do."""


class TrainingError(Exception):
    """Root of all errors that end a command with a clear line."""


class DataUnreadable(TrainingError):
    """A file is missing, in another encoding, or lacks a column."""


class LabelsUnknown(TrainingError):
    """A label has no place among the six and no mapping."""


class SettingUnfit(TrainingError):
    """A setting does not suit the model that it is for."""


class TooFewRows(TrainingError):
    """A class has too few rows to split or to learn from."""


class ExportRefused(TrainingError):
    """A run cannot become a bundle: of other rows, of a make without a graph, or with answers that break a rule."""


class HubUnreachable(TrainingError):
    """The Hugging Face Hub does not answer, or does not have what was asked for."""


class TeacherUnfit(TrainingError):
    """A teacher has other labels than ours, or knows other rows."""


class DiskFull(TrainingError):
    """There is no room for what was to be written; what was there before is whole."""


class Interrupted(TrainingError):
    """Somebody stopped a run; it goes on where it was."""


class FolderTaken(TrainingError):
    """A folder holds something else than what is to be written there or continued."""
