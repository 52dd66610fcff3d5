"""The networks: a file each, whose name is the network's name; CONTRIBUTING.md adds one."""

from hindi_bn.networks.architectures._base import Network, Values

__all__ = ["Network", "Values"]
