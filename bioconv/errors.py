"""Every exception that bioconv raises on purpose.

A message says what was given, what was expected, where (file, record, line) and what to do.
"""


class BioconvError(Exception):
    """Anything a user can mend: bad input, bad configuration, a missing extra."""


class InputError(BioconvError):
    """An input file (sequences, images) that cannot be read or makes no sense."""


class MotifError(BioconvError):
    """A motif file or motif name that cannot be used."""


class ModelError(BioconvError):
    """A model file or model name that cannot be used."""


class OptionError(BioconvError):
    """Options that contradict each other or a value that makes no sense."""


class OutputError(BioconvError):
    """Results that cannot be written."""


class DownloadError(BioconvError):
    """A file that could not be fetched, or that is not the one the registry names."""


class MissingDependencyError(BioconvError):
    """An optional package is not installed; the message names the extra that brings it."""


class ClusterError(BioconvError):
    """A cluster that cannot be used: no scheduler, other versions, files that workers do not see."""


class TrainingError(BioconvError):
    """A training that cannot go on (a loss that is no number) or that cannot be resumed."""


class TrainingInterrupted(KeyboardInterrupt):
    """A signal ended a training after its step was finished; the message says where its state is."""
