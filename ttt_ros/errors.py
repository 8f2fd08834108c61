"""Errors that the package raises on purpose; each message says what was wrong, which value, which limit, and what to do."""


class TttRosError(Exception):
    """Base of every error that a user can cause and mend."""


class ConfigurationError(TttRosError):
    """A configuration value, file or parameter is unknown, missing or out of range."""


class SpecificationError(TttRosError):
    """A policy and the robot (or a checkpoint and the policy) do not fit each other."""


class CheckpointError(TttRosError):
    """A checkpoint is missing, corrupt or of another format."""


class InstructionError(TttRosError):
    """An instruction cannot be understood by the policy."""


class ObservationError(TttRosError):
    """A sensor message is malformed: wrong size, wrong encoding, not finite, or a joint is missing."""


class MessageError(TttRosError):
    """A message from another node of this package is malformed: an unknown mode, a figure out of range, or too many words."""


class ActionError(TttRosError):
    """A chunk of actions is not finite or violates a joint limit."""


class AdaptationError(TttRosError):
    """The adaptation cannot be set up or continued."""


class JournalError(TttRosError):
    """A journal cannot be written or read."""


class RecoveryError(TttRosError):
    """A folder for coming back after a crash cannot be used."""


class SimulationError(TttRosError):
    """The simulation cannot run: no GL library, unknown camera, unknown task, or a shift out of range."""


class RecordingError(TttRosError):
    """A bag, a data set or a run record cannot be written or read."""
