"""Sound messages and files of every kind that the package reads, for the fuzzing to spoil."""

import json
import shutil
import sqlite3
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from adapting import store_of, windows
from example_policies import INSTRUCTIONS, built_in_policy
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from recorded_messages import image, joint_state, trajectory
from rosbags.rosbag2 import StoragePlugin, Writer
from small_policy import SmallPolicy, stream

from ttt_ros.adaptation import snapshot
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.journal import Journal
from ttt_ros.adaptation.learner import Learner
from ttt_ros.bags.content import types
from ttt_ros.policies.checkpoint import save_policy
from ttt_ros.policies.vocabulary import Vocabulary

STRING = "std_msgs/msg/String"
_CONFIG = Path(__file__).parent.parent / "config"


class SoundMaterial:
    """Each made once, when it is first asked for; files are written to ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.of(INSTRUCTIONS)

    @cached_property
    def pictures(self) -> list[bytes]:
        pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        smooth = cv2.GaussianBlur(pixels, (9, 9), 3)
        options: list[tuple[str, list[int]]] = [
            (".png", []),
            (".jpg", []),
            (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
            (".jpg", [cv2.IMWRITE_JPEG_RST_INTERVAL, 1]),
        ]
        colour = [cv2.imencode(kind, smooth, flags)[1].tobytes() for kind, flags in options]
        return [*colour, cv2.imencode(".png", smooth[..., 0])[1].tobytes(), cv2.imencode(".jpg", smooth[..., 0])[1].tobytes()]

    @cached_property
    def recorded(self) -> list[tuple[str, bytes]]:
        messages = [image(), joint_state(["a", "b"], [0.0, 1.0]), trajectory(["a", "b"], [0.0, 1.0])]
        kinds = [message.__msgtype__ for message in messages]
        return [(kind, bytes(types().serialize_cdr(message, kind))) for kind, message in zip(kinds, messages, strict=True)]

    @cached_property
    def journal(self) -> bytes:
        policy = SmallPolicy()
        learner = Learner(policy, AdaptationConfig(), store_of(policy))
        path = self._folder / "sound_journal"
        path.unlink(missing_ok=True)
        journal = Journal(
            path,
            configuration=AdaptationConfig(),
            base_checksum="base",
            version=learner.store.base,
            inference_threads=1,
            seed=0,
            package_version="1.0",
        )
        for window in windows(stream(policy, 9, shift=1.0)):
            report = learner.adapt(window, epoch=0)
            journal.window(replace(report), window=window, permitted=True, current=learner.store.current)
        journal.reset(learner.store.base, epoch=1)
        journal.close()
        return path.read_bytes()

    @cached_property
    def base(self) -> Any:
        return store_of(SmallPolicy(hidden=4)).base

    @cached_property
    def snapshot(self) -> bytes:
        base = self.base
        path = self._folder / "sound.safetensors"
        momentum = {name: torch.zeros_like(weight) for name, weight in base.weights.items()}
        notes = {"saved": "2026-01-01T00:00:00+00:00", "configuration": json.dumps(asdict(AdaptationConfig()))}
        snapshot.save(replace(base, momentum=momentum), path, base_checksum="base", notes=notes)
        return path.read_bytes()

    @cached_property
    def checkpoint(self) -> bytes:
        path = self._folder / "sound_policy.safetensors"
        save_policy(built_in_policy(), path, training={"steps": 3})
        return path.read_bytes()

    @cached_property
    def parameters(self) -> str:
        return _without_comments(_CONFIG / "policy_node.yaml")

    @cached_property
    def rules(self) -> str:
        return _without_comments(_CONFIG / "safeguard.yaml")

    @cached_property
    def mcap_files(self) -> list[bytes]:
        return [self._mcap_file(each, summary=summary) for each in CompressionType for summary in (True, False)]

    def _mcap_file(self, compression: CompressionType, *, summary: bool) -> bytes:
        path = self._folder / "sound.mcap"
        with path.open("wb") as file:
            writer = McapWriter(
                file, chunk_size=200, compression=compression, use_statistics=summary, use_summary_offsets=summary, repeat_channels=summary
            )
            writer.start(profile="ros2")
            schema = writer.register_schema(name=STRING, encoding="ros2msg", data=b"string data")
            channel = writer.register_channel(topic="/text", message_encoding="cdr", schema_id=schema)
            for stamp in range(12):
                writer.add_message(channel, log_time=stamp, publish_time=stamp, data=_string(f"{stamp}" * 10))
            writer.finish()
        return path.read_bytes()

    @cached_property
    def sqlite_bag(self) -> tuple[bytes, bytes]:
        folder = self._folder / "sound"
        shutil.rmtree(folder, ignore_errors=True)
        with Writer(folder, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
            topic = writer.add_connection("/text", STRING, typestore=types())
            for stamp in range(12):
                writer.write(topic, stamp, _string(f"{stamp}"))
        (folder / "sound.db3").rename(folder / "bag.db3")
        with sqlite3.connect(folder / "bag.db3") as database:
            database.execute("PRAGMA journal_mode=DELETE")
        metadata = (folder / "metadata.yaml").read_text(encoding="utf-8").replace("sound.db3", "bag.db3")
        return (folder / "bag.db3").read_bytes(), metadata.encode()


def _string(words: str) -> bytes:
    return bytes(types().serialize_cdr(types().types[STRING](data=words), STRING))


def _without_comments(path: Path) -> str:
    lines = (line.partition("  #")[0].rstrip() for line in path.read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line.strip() and not line.strip().startswith("#"))
