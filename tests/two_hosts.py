"""Two network namespaces joined by a cable, as two hosts that share a disk."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Host:
    """A namespace, its address and its end of the cable."""

    namespace: str
    address: str
    interface: str

    @property
    def enter(self) -> list[str]:
        """The words that run a command there."""
        return ["ip", "netns", "exec", self.namespace]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host] | None]:
    """Yield the hosts, or None where this machine does not allow it."""
    number = os.getpid()
    hosts = tuple(Host(f"host{i}-{number}", f"10.123.45.{i + 1}", f"cable{i}") for i in range(2))
    if shutil.which("ip") is None or os.geteuid() != 0:
        yield None
        return
    try:
        for host in hosts:
            _ip("netns", "add", host.namespace)
        first, second = hosts
        peer = ["peer", "name", second.interface, "netns", second.namespace]
        _ip("link", "add", first.interface, "netns", first.namespace, "type", "veth", *peer)
        for host in hosts:
            _ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", host.interface)
            for interface in (host.interface, "lo"):
                _ip("-n", host.namespace, "link", "set", interface, "up")
    except subprocess.CalledProcessError:
        reachable = None
    else:
        reachable = (first, second)
    try:
        yield reachable
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "delete", host.namespace], check=False, capture_output=True)
