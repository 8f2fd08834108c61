"""What a policy for pointing with the simulated desk arm is trained to expect."""

from ttt_ros.policies.specification import ActionMeaning, CameraSpecification, PolicySpecification
from ttt_ros.policies.vocabulary import Vocabulary
from ttt_ros.simulation.arm import JOINT_NAMES
from ttt_ros.simulation.deployment import CAMERA, IMAGE_SIZE
from ttt_ros.simulation.engine import CONTROL_PERIOD
from ttt_ros.simulation.pointing import HORIZON
from ttt_ros.simulation.tasks import POINTING_TASKS, REST, phrasings

MAX_INSTRUCTION_WORDS = 8

SPECIFICATION = PolicySpecification(
    cameras=(CameraSpecification(name=CAMERA, height=IMAGE_SIZE[0], width=IMAGE_SIZE[1]),),
    joint_names=JOINT_NAMES,
    horizon=HORIZON,
    period=CONTROL_PERIOD,
    action_meaning=ActionMeaning.ABSOLUTE,
    max_instruction_words=MAX_INSTRUCTION_WORDS,
)

VOCABULARY = Vocabulary.of(phrasing for task in (*POINTING_TASKS, REST) for phrasing in phrasings(task))
