"""What the policy may remember: the gates' judgement of single transitions, made where they are completed."""

import torch
from torch import Tensor

from ttt_ros.adaptation import steps
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.innovation_gate import InnovationGate
from ttt_ros.adaptation.objective import scored
from ttt_ros.adaptation.versions import Version
from ttt_ros.policies.protocol import Policy
from ttt_ros.policies.transition import Transitions


class Plausibility:
    """The learner's gates on single samples once more, for the policy's memory, which lies in the way of the same poison.

    What the learner finds implausible is known only once its thread has worked on the window, sooner or later. What is remembered must not
    depend on that, so each transition is judged at once, and as a function of nothing but the transitions so far and the versions that were
    in force after them.
    """

    def __init__(self, policy: Policy, *, history: int) -> None:
        """Remembers the innovations of the last ``history`` transitions."""
        self._policy = policy
        self._gate = InnovationGate(history=history)

    @torch.no_grad()
    def judge(self, transition: Transitions, version: Version, *, epoch: int, config: AdaptationConfig) -> bool:
        """Whether a transition (batch of 1) ended as commanded and is what ``version`` allows; NaN is neither.

        Args:
            version: in force when the transition was completed.
            epoch: at that time.

        Raises:
            AdaptationError: the policy lacks a configured objective.
        """
        if not steps.followed(transition, limit=config.following_limit).all():
            return False
        if config.innovation_factor == 0.0:
            return True
        self._gate.begin(epoch)
        innovations = self.innovations(transition, version, config=config)
        judged = self._gate.judge(innovations, config)
        self._gate.saw(innovations)
        return bool(judged.plausible.all())

    @torch.no_grad()
    def innovations(self, transition: Transitions, version: Version, *, config: AdaptationConfig) -> Tensor:
        """Those of a transition under the weights of ``version``, (batch, size); see ``steps.innovations``.

        Raises:
            AdaptationError: the policy lacks a configured objective.
        """
        score = scored(self._policy, transition, version.weights, objectives=config.objectives)
        precision = steps.faded(version.precision, score.inputs, ridge=config.ridge, share=config.pull_back)
        return steps.innovations(score.residuals, precision, score.inputs)
