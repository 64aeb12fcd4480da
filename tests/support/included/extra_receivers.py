"""`extra_tasks` with receivers connected, for a worker of its own."""

from tests.support.included.extra_tasks import connect_receivers

connect_receivers()
