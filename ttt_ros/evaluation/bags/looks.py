"""How an arm is drawn: one colour, line and marker in every plot."""

from dataclasses import dataclass
from typing import Any

from ttt_ros.evaluation.bags.configuration import ADAPTING, AGAIN, FROZEN
from ttt_ros.evaluation.bags.figures import Findings
from ttt_ros.evaluation.plots import ARM_COLOURS

# Okabe and Ito's colours, which people with any kind of colour vision tell apart, less those near the two arms that are compared.
_FURTHER = ("#009e73", "#cc79a7", "#56b4e9", "#b8a100", "#8a5a2b", "#6f6fc9")
_MARKERS = ("P", "X", "h", "D", "v", "s")
_DASHES = ("--", "-.", ":")


@dataclass(frozen=True, kw_only=True)
class Look:
    """Colour, line style and marker of an arm, and its ``label`` in words."""

    label: str
    colour: str
    dashes: str
    marker: str

    @property
    def line(self) -> dict[str, Any]:
        """As matplotlib's ``plot`` takes it."""
        return {"color": self.colour, "linestyle": self.dashes, "label": self.label}


def looks(findings: Findings) -> dict[str, Look]:
    """The look of every arm, by name; frozen and adapting are solid lines."""
    labels = findings.labels
    fixed = {
        FROZEN.name: Look(label=labels[FROZEN.name], colour=ARM_COLOURS["frozen"], dashes="-", marker="o"),
        ADAPTING.name: Look(label=labels[ADAPTING.name], colour=ARM_COLOURS["adapting"], dashes="-", marker="o"),
        AGAIN.name: Look(label=labels[AGAIN.name], colour="#8a94a0", dashes=":", marker="^"),
    }
    others = [name for name in labels if name not in fixed]
    further = {
        name: Look(
            label=labels[name],
            colour=_FURTHER[place % len(_FURTHER)],
            dashes=_DASHES[place % len(_DASHES)],
            marker=_MARKERS[place % len(_MARKERS)],
        )
        for place, name in enumerate(others)
    }
    return {name: (fixed | further)[name] for name in labels}
