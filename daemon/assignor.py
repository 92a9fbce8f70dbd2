"""Who owns what in the group when records come under any key (`keyed_by: any`): all to one member, the others stand by hot.

Each member says, when it joins, in which generation it last owned the partitions. The latest owner keeps them, so that a
joining standby, or a member that was stopped and comes back, takes nothing. Without any owner it is the smallest member id, by
no merit.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

#: In the user data of a member: version 1, generation.
_CLAIM: Final = struct.Struct(">Bi")
#: The generation of a member that owns nothing.
NEVER: Final = -1


def claim(owned_in: int) -> bytes:
    """What a member sends that last owned the partitions in this generation, NEVER if it does not own them."""
    return _CLAIM.pack(1, owned_in)


def owner(claims: Mapping[str, bytes | None]) -> str:
    """The member to give everything to; `claims` by member id, at least one.

    >>> owner({"a": claim(NEVER), "b": claim(4), "c": claim(3)})
    'b'
    """
    return min(claims, key=lambda member: (-_owned_in(claims[member]), member))


def _owned_in(data: bytes | None) -> int:
    if data is None or len(data) != _CLAIM.size:
        return NEVER
    version, generation = _CLAIM.unpack(data)
    return int(generation) if version == 1 else NEVER
