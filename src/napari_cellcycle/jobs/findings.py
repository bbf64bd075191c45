"""What an examination of an installation found: facts, problems, hints."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Problem:
    """Something wrong, or worth knowing, and the exact command that mends it.

    `command` is empty where no command does.
    """

    text: str
    command: str = ""


@dataclass
class Report:
    """What an examination found: `facts` by name, in order; `problems`; and `hints`."""

    facts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    hints: list[Problem] = field(default_factory=list)

    def to_json(self) -> str:
        """Everything as JSON; `from_json` is the inverse."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, described: dict[str, Any]) -> "Report":
        """Rebuild a report from the object that `to_json` wrote."""
        found = {
            name: [Problem(**each) for each in described[name]] for name in ("problems", "hints")
        }
        return cls(described["facts"], **found)
