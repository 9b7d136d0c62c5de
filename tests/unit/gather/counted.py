"""Look-ups that are counted, and end when a test says so."""

import asyncio

from tests.unit.gather.virtual_time import START_SECONDS
from tidegate.evidence.fact import Cause, Known, Missing
from tidegate.gather.fact_cache import FactCache

SOURCE = "ecr:DescribeImages"
LIFE = 10.0
CALL = 0.5
INSTANT = 1e-3
DOWN = Missing(Cause.UNREACHABLE, SOURCE)


class Lookups:
    """A cache whose look-ups take half a second and answer what the test says, or else count."""

    def __init__(self, clock, *, limit=100, **weigh):
        self.clock = clock
        self.looked_up = []
        self.answers = {}
        self.seconds = LIFE
        self.cache = FactCache(
            source=SOURCE, limit=limit, clock=clock, look_up=self._look_up, seconds=lambda *_: self.seconds, **weigh
        )

    async def _look_up(self, key):
        self.looked_up.append(key)
        await asyncio.sleep(CALL)
        answer = self.answers.get(key, f"{key}{self.looked_up.count(key)}")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def get(self, key="a"):
        return (await self.cache.get(key))[0]

    async def value(self, key="a"):
        fact = await self.get(key)
        assert isinstance(fact, Known)
        return fact.value

    async def pass_until(self, seconds):
        """Let time pass until so many seconds after the first fact was kept, and not a float's error less."""
        await asyncio.sleep(START_SECONDS + CALL + seconds + INSTANT / 100 - self.clock.monotonic())
