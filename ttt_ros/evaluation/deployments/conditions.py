"""The kinds of robot that the arms are deployed on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from ttt_ros.simulation.robots import Property, Range, Robot, Unseen

SEVERITY = 3
"""Of the corruption functions, on their scale of 1 to 5."""

_CORRUPTIONS = ("gaussian_noise", "motion_blur", "fog", "contrast", "jpeg_compression")
"""One or two of each of the four families of ImageNet-C (arXiv 1903.12261): noise, blur, weather, digital."""

_IN_WORDS = {
    Property.ENCODER: "encoder offsets",
    Property.ACTUATOR: "actuator gains and coupling",
    Property.CAMERA: "camera pose",
    Property.DELAY: "action delay",
    Property.PAYLOAD: "payload",
    Property.LIGHT: "light",
    Property.COLOUR: "colour cast",
    Property.NOISE: "sensor noise",
}
_UNSEEN_IN_WORDS = {
    Unseen.BENT_HAND: "bent hand",
    Unseen.BACKLASH: "backlash",
    Unseen.LENS_SMEAR: "smeared lens",
    Unseen.DROPPED_FRAMES: "dropped frames",
}


class Group(str, Enum):
    """How far a condition is from what the policies were trained on."""

    NOMINAL = "nominal"
    TRAINING = "training"
    WIDER = "wider"
    UNSEEN = "unseen"
    """On top of all properties in the ranges of training."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One kind of robot.

    Attributes:
        name: group and what is shifted, as in ``training/all``; ``nominal`` for the robot without any shift.
        label: in words.
        group: how far from training.
        properties: those that are not nominal.
        range: how far they are.
        unseen: the kind never trained on, if any.
        corruption: the function, where that is one.
    """

    name: str
    label: str
    group: Group
    properties: tuple[Property, ...]
    range: Range = Range.TRAINING
    unseen: tuple[Unseen, ...] = ()
    corruption: str = ""

    def robot(self, seed: int) -> Robot:
        """The robot of this condition with that seed; robots of one seed share whatever properties their conditions share."""
        return Robot(
            seed=seed,
            properties=self.properties,
            range=self.range,
            unseen=self.unseen,
            corruption=self.corruption,
            severity=SEVERITY,
        )


def _all() -> Iterator[Condition]:
    yield Condition(name="nominal", label="nominal", group=Group.NOMINAL, properties=())
    for reach, group in ((Range.TRAINING, Group.TRAINING), (Range.WIDER, Group.WIDER)):
        where = "" if reach is Range.TRAINING else ", wider"
        yield Condition(name=f"{group.value}/all", label=f"all properties{where}", group=group, properties=tuple(Property), range=reach)
        for name in Property:
            label = f"{_IN_WORDS[name]}{where}"
            yield Condition(name=f"{group.value}/{name.value}", label=label, group=group, properties=(name,), range=reach)
    for kind, label in _UNSEEN_IN_WORDS.items():
        yield Condition(name=f"unseen/{kind.value}", label=label, group=Group.UNSEEN, properties=tuple(Property), unseen=(kind,))
    for corruption in _CORRUPTIONS:
        yield Condition(
            name=f"unseen/{corruption}",
            label=corruption.replace("_", " "),
            group=Group.UNSEEN,
            properties=tuple(Property),
            unseen=(Unseen.CORRUPTION,),
            corruption=corruption,
        )


CONDITIONS: Mapping[str, Condition] = MappingProxyType({condition.name: condition for condition in _all()})
"""Every condition by name, from the nominal robot outwards."""
