"""What is fuzzed: each target makes one case from a ``Random`` and hands it to the package, which may refuse it in words only."""

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import torch
from example_policies import INSTRUCTIONS, SPECIFICATION
from fuzz_material import STRING, SoundMaterial
from fuzz_mutations import mutated, mutated_json, mutated_yaml, number, real, text

from ttt_ros.adaptation import snapshot
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.journal import read_journal
from ttt_ros.adaptation.recorded_sample import RecordedSample
from ttt_ros.adaptation.recovery import Recovery
from ttt_ros.bags.content import deserialized, image_rgb, joint_positions
from ttt_ros.bags.reader import BagMessage, BagReader
from ttt_ros.configuration import load_yaml
from ttt_ros.control.images import RawImage, decode_compressed, opencv_rgb, policy_image
from ttt_ros.control.observation import ObservationAssembler
from ttt_ros.control.orders import Orders, received_order
from ttt_ros.control.parameter_file import load_parameter_file
from ttt_ros.errors import TttRosError
from ttt_ros.policies.checkpoint import load_policy, sealed
from ttt_ros.safeguard.configuration import SafeguardConfig
from ttt_ros.safeguard.control_health import ControlHealth
from ttt_ros.safeguard.joint_values import joint_values
from ttt_ros.safeguard.judge import Safeguard
from ttt_ros.safeguard.signals import SIGNALS

Target = Callable[[Random], object]

CONFIG = Path(__file__).parent.parent / "config"
_ENCODINGS = (
    "rgb8", "bgr8", "rgba8", "bgra8", "mono8", "8UC3", "bayer_rggb8", "bayer_grbg8", "yuv422", "uyvy", "yuv422_yuy2", "16UC1", "32FC1", "",
)  # fmt: skip
_CHANNELS = {"rgba8": 4, "bgra8": 4, "mono8": 1, "bayer_rggb8": 1, "bayer_grbg8": 1, "yuv422": 2, "uyvy": 2, "yuv422_yuy2": 2}
_CAMERA = SPECIFICATION.cameras[0]
_JOINTS = SPECIFICATION.joint_names
_SECOND = 1_000_000_000


class Targets:
    """All targets; ``folder`` is where they write the files that are then read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sound = SoundMaterial(folder)
        self._safeguard_config = load_yaml(CONFIG / "safeguard.yaml", SafeguardConfig)

    @property
    def by_name(self) -> Mapping[str, Target]:
        """Each target by the name of what it spoils."""
        return {
            "raw images": self.raw_image,
            "compressed images": self.compressed_image,
            "joint states": self.joint_state,
            "instructions": self.instruction,
            "orders": self.order,
            "safeguard readings": self.safeguard_readings,
            "assembly": self.assembly,
            "recorded messages": self.recorded_message,
            "journals": self.journal,
            "snapshots": self.snapshot,
            "recovery folders": self.recovery,
            "checkpoints": self.checkpoint,
            "parameter files": self.parameter_file,
            "configurations": self.configuration,
            "mcap bags": self.mcap_bag,
            "sqlite bags": self.sqlite_bag,
        }

    def raw_image(self, random: Random) -> object:
        """Sizes that nearly or not at all fit the data."""
        encoding = random.choice(_ENCODINGS) if random.random() < 0.9 else text(random)
        side = random.choice((32, 32, 64, random.randrange(66)))
        height, width, channels = side, random.choice((side, random.randrange(66))), random.choice((_CHANNELS.get(encoding, 3), 1, 2, 3, 4))
        step = width * channels + random.choice((0, 0, 0, 1, -1, 16))
        if random.random() < 0.2:
            height, width, step = (number(random) if random.random() < 0.5 else each for each in (height, width, step))
        size = height * step + random.choice((0, 0, 0, 1, -1)) if 0 <= height * step < 100_000 else random.randrange(100)
        raw = RawImage(encoding=encoding, height=height, width=width, step=step, data=memoryview(random.randbytes(max(size, 0))))
        return policy_image(opencv_rgb(raw), _CAMERA)

    def compressed_image(self, random: Random) -> object:
        """Pictures of common encoders with spoiled bytes, most often near the header."""
        sound = random.choice(self._sound.pictures)
        border = random.choice((40, 200, len(sound)))
        data = mutated(random, sound[:border]) + sound[border:]
        kind = random.choice(("jpeg", "png", "rgb8; jpeg compressed bgr8", "16UC1; png compressed", text(random)))
        return policy_image(decode_compressed(memoryview(data), kind), _CAMERA)

    def joint_state(self, random: Random) -> object:
        """Names and positions of any number and kind, to the policy's and to the safeguard's side."""
        names, positions = _joints(random)
        with _refusing():
            joint_values(names, positions)
        assembler = _assembler()
        assembler.add_joints(_stamp(random), names, positions)
        return assembler.health(_stamp(random))

    def instruction(self, random: Random) -> object:
        """Words and what is none."""
        words = " ".join(random.choice((text(random), *INSTRUCTIONS[0].split())) for _ in range(random.randrange(8)))
        return self._sound.vocabulary.encode(words, length=5)

    def order(self, random: Random) -> object:
        """Orders of any content, in any order in time."""
        orders, now = Orders(), 0
        for _ in range(random.randrange(1, 4)):
            now += random.choice((0, 1, 100_000_000, _SECOND, -_SECOND))
            with _refusing():
                order = received_order(
                    mode=random.choice((0, 1, 2, 3, 4, 77, 255)),
                    permit=random.random() < 0.5,
                    validity=real(random) if random.random() < 0.8 else float(2**31),
                    trusted_version=number(random),
                    reasons=[text(random)] * random.choice((0, 1, 3, 600)),
                    reset=random.choice((0, now, number(random))),
                    max_validity=random.choice((10.0, 1e9)),
                )
                orders.receive(order, now)
            orders.in_force(now + random.choice((0, 1, _SECOND, -_SECOND)))
        return orders

    def safeguard_readings(self, random: Random) -> object:
        """All that the safeguard hears, with any figures."""
        safeguard, now = Safeguard(self._safeguard_config, cameras=["scene"], now=0), 0
        for _ in range(random.randrange(1, 12)):
            now += random.choice((0, 1, 100_000_000, 3 * _SECOND, -_SECOND))
            with _refusing():
                self._heard(random, safeguard, now)
            verdict = safeguard.tick(now)
            assert verdict.permit == (verdict.mode == 0)
        return safeguard.reset(now)

    def assembly(self, random: Random) -> object:
        """Messages of all streams in any order, with any stamps."""
        assembler, now = _assembler(), 100 * _SECOND
        for _ in range(random.randrange(1, 16)):
            now += random.choice((0, 10_000_000, 10_000_000, _SECOND, -3 * _SECOND))
            stamp = now - random.choice((0, 0, 1_000_000, 50_000_000, _SECOND, -_SECOND, now - _stamp(random)))
            with _refusing():
                self._assembled(random, assembler, stamp)
            assembler.assemble(now)
        return assembler.health(now)

    def recorded_message(self, random: Random) -> object:
        """Serialized messages with spoiled bytes, read as those of a bag are."""
        kind, cdr = random.choice(self._sound.recorded)
        message = deserialized(BagMessage("/topic", kind, 0, mutated(random, cdr)))
        if kind.startswith("sensor_msgs/msg/Image"):
            return policy_image(image_rgb(message), _CAMERA)
        return joint_positions(message, ("a", "b"))

    def journal(self, random: Random) -> object:
        """Records with spoiled values and checksums that fit, or spoiled bytes."""
        if random.random() < 0.5:
            content = mutated(random, self._sound.journal)
        else:
            lines, crc = [], 0
            for line in self._sound.journal.splitlines():
                record = json.loads(line)
                del record["crc32"]
                body = json.dumps(mutated_json(random, record, most=1), separators=(",", ":")).encode()[:-1]
                crc = zlib.crc32(body, crc)
                lines.append(body + f',"crc32":"{crc:08x}"}}\n'.encode())
            content = b"".join(lines)
        contents = read_journal(self._written("journal", content))
        for record in contents.records:
            samples = record.get("new")
            for sample in samples if isinstance(samples, list) else ():
                RecordedSample.from_json(sample)
        return contents

    def snapshot(self, random: Random) -> object:
        """Spoiled bytes, or a spoiled description with a seal that fits."""
        if random.random() < 0.5:
            content = mutated(random, self._sound.snapshot)
        else:
            header, data = _split(self._sound.snapshot)
            facts = header["__metadata__"]
            del facts["seal"]
            header = mutated_json(random, header, most=2)
            content = _joined(_sealed(header), data)
        path = self._written("snapshot.safetensors", content)
        return snapshot.load(path, base=self._sound.base, base_checksum="base", drift_limit=5.0)

    def recovery(self, random: Random) -> object:
        """What a crash left: a snapshot with spoiled notes and a seal that fits, and a spoiled marker of the run."""
        folder = self._folder / "recovery"
        folder.mkdir(exist_ok=True)
        header, data = _split(self._sound.snapshot)
        facts = header["__metadata__"]
        del facts["seal"]
        note = random.choice([name for name in facts if name.startswith("note.")])
        facts[note] = _spoiled_json(random, facts[note])
        (folder / "trusted.safetensors").write_bytes(_joined(_sealed(header), data))
        marker = json.dumps({"process": 7, "begun": "2026-01-01T00:00:00+00:00", "base_checksum": "base"})
        (folder / "running.json").write_text(_spoiled_json(random, marker), encoding="utf-8", errors="surrogatepass")
        recovery = Recovery(folder, base=self._sound.base, base_checksum="base", config=AdaptationConfig())
        recovery.close()
        crash = recovery.crash
        assert crash is not None
        assert str(crash.run)
        assert (crash.version is None) == bool(crash.refusal)
        return crash

    def checkpoint(self, random: Random) -> object:
        """Spoiled bytes, or a spoiled header around sound tensors."""
        if random.random() < 0.4:
            content = mutated(random, self._sound.checkpoint)
        else:
            header, data = _split(self._sound.checkpoint)
            facts = json.loads(header["__metadata__"]["ttt_ros"])
            facts = mutated_json(random, facts, most=2)
            header["__metadata__"]["ttt_ros"] = json.dumps(sealed(facts) if isinstance(facts, dict) else facts)
            content = _joined(mutated_json(random, header, most=1) if random.random() < 0.3 else header, data)
        return load_policy(self._written("policy.safetensors", content))

    def parameter_file(self, random: Random) -> object:
        """Lines of the shipped file of the policy node, spoiled."""
        return load_parameter_file(self._written("parameters.yaml", mutated_yaml(random, self._sound.parameters)))

    def configuration(self, random: Random) -> object:
        """Lines of the shipped rules of the safeguard, spoiled."""
        return load_yaml(self._written("rules.yaml", mutated_yaml(random, self._sound.rules)), SafeguardConfig)

    def mcap_bag(self, random: Random) -> object:
        """Files of every compression with spoiled bytes, read strictly or as far as they are sound."""
        path = self._written("bag.mcap", mutated(random, random.choice(self._sound.mcap_files)))
        return _read_bag(path, salvage=random.random() < 0.7)

    def sqlite_bag(self, random: Random) -> object:
        """Likewise of the other storage, and its metadata.yaml."""
        folder = self._folder / "bag"
        folder.mkdir(exist_ok=True)
        storage, metadata = self._sound.sqlite_bag
        spoil_metadata = random.random() < 0.3
        (folder / "metadata.yaml").write_bytes(mutated(random, metadata) if spoil_metadata else metadata)
        (folder / "bag.db3").write_bytes(storage if spoil_metadata else mutated(random, storage, most=20))
        with suppress(OSError):
            (folder / "bag.db3-journal").unlink()
        return _read_bag(folder, salvage=random.random() < 0.5)

    def _written(self, name: str, content: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(content)
        return path

    def _heard(self, random: Random, safeguard: Safeguard, now: int) -> None:
        kind = random.randrange(7)
        if kind == 0:
            names, positions = _joints(random)
            safeguard.sensors.heard_joints(joint_values(names, positions), stamp=random.choice((now, _stamp(random))), now=now)
        elif kind == 1:
            names, positions = _joints(random)
            safeguard.sensors.commanded(joint_values(names, positions), now=now)
        elif kind == 2:
            safeguard.sensors.heard_camera("scene", stamp=_stamp(random), now=now)
            safeguard.streams.heard_camera("scene", _stamp(random))
        elif kind == 3:
            safeguard.sensors.saw("scene", digest=number(random), saturation=real(random))
        elif kind == 4:
            health = ControlHealth(jitter=real(random), underruns=real(random), busy=real(random), queue_depth=random.randrange(2**32))
            safeguard.control.heard(health, now)
        elif kind == 5:
            readings = {name: real(random) for name, signal in SIGNALS.items() if signal.cadence == "window"}
            safeguard.read_window(readings, now, version=number(random) % 2**64, committed=random.random() < 0.5)
        else:
            safeguard.read(random.choice((*SIGNALS, text(random))), real(random), now, source=text(random)[:256])

    def _assembled(self, random: Random, assembler: ObservationAssembler, stamp: int) -> None:
        kind = random.randrange(6)
        if kind < 3:
            camera = ("scene", "wrist", text(random))[kind]
            side = random.choice((32, 32, 32, 0, 8))
            assembler.add_image(camera, stamp, torch.zeros(side, 32, 3, dtype=random.choice((torch.uint8, torch.uint8, torch.float32))))
        elif kind == 3:
            assembler.set_instruction(random.choice((INSTRUCTIONS[0], text(random))))
        elif random.random() < 0.7:
            assembler.add_joints(stamp, _JOINTS, [real(random) if random.random() < 0.1 else 0.0 for _ in _JOINTS])
        else:
            assembler.add_joints(stamp, *_joints(random))


def refusal_of(target: Target, random: Random) -> str | None:
    """What a target says against its case, None if it takes it; any other error is let through."""
    try:
        target(random)
    except TttRosError as refusal:
        return str(refusal)
    return None


def _refusing() -> suppress:
    return suppress(TttRosError)


def _stamp(random: Random) -> int:
    """All that fits into a builtin_interfaces/Time, in nanoseconds."""
    seconds = random.choice((0, 1, 99, 100, 101, -1, 2**31 - 1, -(2**31)))
    return seconds * _SECOND + random.choice((0, 1, 500_000_000, 2**32 - 1))


def _assembler() -> ObservationAssembler:
    return ObservationAssembler(SPECIFICATION, tolerance=0.05, max_camera_age=0.5, max_joint_age=0.2)


def _joints(random: Random) -> tuple[list[str], list[float]]:
    names = [*_JOINTS]
    if random.random() < 0.6:
        names = [random.choice((*_JOINTS, text(random))) for _ in range(random.choice((0, 1, 3, 4, 1200)))]
    count = len(names) + random.choice((0, 0, 0, 1, -1))
    return names, [real(random) for _ in range(max(count, 0))]


def _split(file: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a safetensors file."""
    (length,) = struct.unpack_from("<Q", file)
    return json.loads(file[8 : 8 + length]), file[8 + length :]


def _sealed(header: Any) -> Any:
    """The header with a seal on its description that fits."""
    facts = header.get("__metadata__")
    if isinstance(facts, dict):
        facts["seal"] = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return header


def _spoiled_json(random: Random, sound: str) -> str:
    """A text of plain values with some of them spoiled, or any other text."""
    if random.random() < 0.2:
        return text(random)
    with suppress(ValueError):
        sound = json.dumps(mutated_json(random, json.loads(sound), most=2))
    return sound


def _joined(header: Mapping[str, Any], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _read_bag(path: Path, *, salvage: bool) -> object:
    with BagReader(path, salvage=salvage) as bag:
        assert bag.topics is not None
        for message in bag.messages():
            if message.message_type == STRING:
                with _refusing():
                    deserialized(message)
        assert bag.start <= bag.start + bag.duration * 1e9
        return bag.damage
