"""The control loop begins where the robot stands, and not where it was told to be."""

import numpy as np
import pytest
from control_session import PERIOD, Bench
from slow_executor import SlowExecutor
from small_policy import HORIZON, SmallPolicy
from torch import Tensor

from ttt_ros.control.limits import JointLimit
from ttt_ros.policies.observation import Observation
from ttt_ros.policies.transition import NO_MEMORY, FastWeights, Features, Memory
from ttt_ros.safeguard.ladder import Mode


class _StayingPolicy(SmallPolicy):
    """Wants the robot where it stands."""

    def act(self, features: Features, fast: FastWeights, memory: Memory = NO_MEMORY) -> Tensor:
        return features["joints"][:, None].expand(-1, HORIZON, -1)


_STEP = 0.05
_STEADY = JointLimit(lower=-100.0, upper=100.0, max_velocity=1e4, max_step=_STEP)


def test_the_first_chunk_is_blended_from_where_the_robot_stands() -> None:
    bench = Bench()
    bench.sense()
    stands = bench.session.assembler.assemble(bench.now)
    assert isinstance(stands, Observation)
    bench.order(Mode.ADAPTING)
    commands = [bench.tick() for _ in range(2)]
    (chunk,) = bench.chunks
    assert commands[0].positions is None
    assert commands[1].positions is not None
    # The chunk is one step old; one blended step takes it half the way from the measured position.
    assert np.allclose(commands[1].positions, (stands.joint_positions.double().numpy() + chunk.positions[1]) / 2)


@pytest.mark.parametrize(("silence", "back"), [(20 * PERIOD, 0), (0, 40 * PERIOD)], ids=["no tick for a second", "the clock was set back"])
def test_after_a_silence_of_the_joints_the_first_command_is_a_step_from_where_the_robot_stands(silence: int, back: int) -> None:
    bench = Bench(_StayingPolicy(), limit=_STEADY)
    bench.stands = 0.0
    bench.run(60)
    bench.now += silence - back
    bench.stands = 7.0
    first = next(command.positions for command in bench.run(10) if command.positions is not None)
    assert np.abs(first - 7.0).max() <= _STEP


def test_a_robot_that_was_restarted_between_two_ticks_is_commanded_from_where_it_stands() -> None:
    bench = Bench(_StayingPolicy(), limit=_STEADY)
    bench.stands = 0.0
    bench.run(60)
    bench.stands, end = 7.0, bench.now
    for bench.now in range(PERIOD, end, PERIOD):  # from the start of a new clock to just before the last tick
        bench.sense()
    first = next(command.positions for command in bench.run(10) if command.positions is not None)
    assert np.abs(first - 7.0).max() <= _STEP


def test_a_run_that_begins_anew_commands_from_where_the_robot_was_moved_to_meanwhile() -> None:
    bench = Bench(_StayingPolicy(), limit=_STEADY)
    bench.stands = 0.0
    bench.run(60)
    bench.stands = 7.0
    bench.sense()
    bench.session.begin()
    first = next(command.positions for command in bench.run(10) if command.positions is not None)
    assert np.abs(first - 7.0).max() <= _STEP


def test_a_first_chunk_under_way_while_the_robot_was_not_felt_is_not_played_from_where_it_stood() -> None:
    bench = Bench(_StayingPolicy(), limit=_STEADY, open_loop=True)
    bench.session.loop._executor = executor = SlowExecutor()
    bench.stands = 0.0
    bench.run(2)
    bench.now += 20 * PERIOD
    bench.stands = 7.0
    bench.sense()
    bench.order(Mode.ADAPTING)
    bench.tick()
    while executor.waiting:
        executor.waiting.pop()()
        command = bench.run(1)[0]
        assert command.positions is None or np.abs(command.positions - 7.0).max() <= _STEP


def test_a_robot_that_is_not_felt_any_more_holds_for_a_while_and_is_then_not_commanded() -> None:
    bench = Bench()
    last = bench.run(10)[-1].positions
    commands = []
    for _ in range(20):
        bench.order(Mode.ADAPTING)
        commands.append(bench.tick())
    assert last is not None
    assert {command.mode for command in commands[2:]} == {Mode.HOLD}
    assert commands[9].positions is not None
    assert [command.positions for command in commands[10:]] == [None] * 10
