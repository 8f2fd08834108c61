"""What a policy for the simulated desk arm is trained to expect."""

from ttt_ros.policies.specification import ActionMeaning, CameraSpecification, PolicySpecification
from ttt_ros.policies.vocabulary import Vocabulary
from ttt_ros.simulation.arm import JOINT_NAMES
from ttt_ros.simulation.engine import CAMERA_SIZES, CONTROL_PERIOD
from ttt_ros.simulation.tasks import INSTRUCTIONS
from ttt_ros.training.demonstrator import HORIZON

SPECIFICATION = PolicySpecification(
    cameras=tuple(CameraSpecification(name=name, height=height, width=width) for name, (height, width) in CAMERA_SIZES.items()),
    joint_names=JOINT_NAMES,
    horizon=HORIZON,
    period=CONTROL_PERIOD,
    action_meaning=ActionMeaning.ABSOLUTE,
    max_instruction_words=8,
)

VOCABULARY = Vocabulary.of(INSTRUCTIONS)
