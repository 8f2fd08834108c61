"""What the pages of all evaluations share: the templates' settings, and pictures inside the page, so that it needs no other file."""

from base64 import b64encode

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates() -> Environment:
    """The package's templates; a name that a template asks for and does not get is an error."""
    environment = Environment(
        loader=PackageLoader("ttt_ros.evaluation"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["inlined"] = inlined
    return environment


def inlined(png: bytes) -> str:
    """A PNG file as a data URL."""
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"
