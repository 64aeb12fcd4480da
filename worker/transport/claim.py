"""One exchange with the server: what is asked for, and what its reply means."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from kombu.utils.json import dumps

#: Bytes of messages after which no further one is claimed at once.
MOST_BYTES: Final = 8 << 20
#: Of what waits in a list, the share that a worker takes on top of what it has room for: as many
#: others find as much.
SHARE: Final = 0.25


@cache
def _end(queue: str) -> str:
    """What follows the message in its record: the default exchange leads to a queue by its name."""
    return f', "", {dumps(queue)}]'


class Claimed(NamedTuple):
    """One message as it was on its queue."""

    queue: str
    tag: str
    text: bytes
    #: Of a long list: the prefetch does not count it.
    on_top: bool = False


class Claim(NamedTuple):
    """The keys and arguments of `scripts.EXCHANGE`, and how to read its reply."""

    keys: list[str]
    arguments: list[Any]
    #: Queue of each list that is taken from.
    queues: list[str]
    prefix: str
    before_first: int
    most: int
    #: Acknowledgements that go along.
    acknowledged: int

    @classmethod
    def make(
        cls,
        unacked: Sequence[str],
        lists: Sequence[tuple[str, str]],
        *,
        few: int,
        most: int,
        most_of_rest: int,
        on_top: int = 0,
        tags: Sequence[str],
        prefix: str,
        before_first: int,
    ) -> "Claim":
        """What to ask for.

        `unacked`: the keys of what is claimed, the hash and the index. `lists`: (queue, key) in
        the order in which they are emptied; the first `few` are the first queues'. At most `most`
        messages are claimed, and `most_of_rest` of them from the others; and `on_top` more of lists
        that are long. `tags` are acknowledged.
        What is claimed gets the tags `prefix` and a number, the first `before_first` + 1.
        """
        queues = [queue for queue, _ in lists]
        records = map(_end, queues)
        return cls(
            keys=[*unacked, *(key for _, key in lists)],
            arguments=[
                *(prefix, before_first, most, most_of_rest, few, MOST_BYTES, on_top, SHARE),
                *(*records, *tags),
            ],
            queues=queues,
            prefix=prefix,
            before_first=before_first,
            most=most,
            acknowledged=len(tags),
        )

    def has_all(self, reply: Sequence[Any]) -> bool:
        """Whether nothing was left that could have been claimed."""
        asked_for = sum(index > 0 for index in reply[1::2])
        return len(reply) % 2 == 1 and asked_for < self.most

    def read(self, reply: Sequence[Any]) -> Iterator[Claimed]:
        """The messages in a reply, in the order of their tags."""
        pairs = zip(reply[1::2], reply[2::2], strict=False)
        for number, (index, text) in enumerate(pairs, self.before_first + 1):
            queue, on_top = self.queues[abs(index) - 1], index < 0
            yield Claimed(queue, f"{self.prefix}{number}", text, on_top)
