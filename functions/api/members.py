"""Which rooms there are for whom: a party's are those whose contracts name it."""

from cleanroom.ids import Digest
from functions import names
from functions.api.auth import Caller
from functions.owned import Owned
from functions.remembering import Memory

_MEMORY = 10_000
_LARGEST_CLAIM = 256


class Members:
    """Looks up who belongs to which room; who once does, always does."""

    def __init__(self, rooms: Owned, control: Owned) -> None:
        self._rooms = rooms
        self._control = control
        self._known: Memory[bool] = Memory(_MEMORY)

    async def sees(self, caller: Caller, room: str) -> bool:
        """Say whether there is such a room, as far as the caller may know."""
        if caller.operator:
            return await self.exists(room)
        if caller.party is None:
            return False
        name = names.rooms_of(caller.party) + room
        if self._known.get(name):
            return True
        return await self._control.look(name) is not None and self._known.put(name, value=True)

    async def exists(self, room: str) -> bool:
        """Say whether anything is in a room."""
        if self._known.get(room):
            return True
        page = await self._rooms.page(f"{room}/", None, 1)
        return bool(page.blobs) and self._known.put(room, value=True)

    async def claim(self, room: str, contract: Digest) -> bool:
        """Take a room that is not there for its first contract; say whether it is."""
        name = names.claim(room)
        if await self._control.create(name, contract.text.encode()):
            return True
        found = await self._control.read(name, _LARGEST_CLAIM)
        return found is not None and found.data == contract.text.encode()
