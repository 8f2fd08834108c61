"""Where the observations of a transition come from: what a recording must hold to put the transition together again."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from ttt_ros.policies.observation import Observation


class Source(NamedTuple):
    """A message that an observation was put together from: nanoseconds in its header, and the ``content_digest`` of what it gave."""

    stamp: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What an observation was put together from.

    Attributes:
        stamp: of the observation, ns.
        instruction: the task in words.
        sources: the messages by camera name and ``joint_states``; empty if it did not come from messages.
    """

    stamp: int
    instruction: str
    sources: Mapping[str, Source]

    @classmethod
    def of(cls, observation: Observation) -> "Origin":
        """That of ``observation``."""
        sources = {
            name: Source(stamp, content_digest(observation.images.get(name, observation.joint_positions)))
            for name, stamp in observation.sources.items()
        }
        return cls(stamp=observation.stamp, instruction=observation.instruction, sources=sources)


class Passage(NamedTuple):
    """From one observation to the next."""

    before: Origin
    after: Origin


def content_digest(content: Tensor) -> str:
    """CRC-32, hexadecimal, of an image or of joint positions on the CPU, as the policy gets them."""
    return f"{zlib.crc32(content.contiguous().numpy().data):08x}"
