"""Where the twins of a home are. Kept there: restarted twins listen where the killed ones did."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Address:
    """Loopback ports and the process that holds them; zeros where twins never ran."""

    port: int = 0
    proxy_port: int = 0
    pid: int = 0


def read_address(home: Path) -> Address:
    """The address kept in a home."""
    kept = home / "address.json"
    return Address(**json.loads(kept.read_text())) if kept.exists() else Address()


def keep_address(home: Path, address: Address) -> None:
    """Let clients find it: both ports must accept already."""
    fresh = home / "address.json.new"
    fresh.write_text(json.dumps(asdict(address)))
    fresh.rename(home / "address.json")
