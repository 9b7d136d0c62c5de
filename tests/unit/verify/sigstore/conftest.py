"""Nothing in this folder opens a socket: what is verified is verified from bytes."""

import pytest


@pytest.fixture(autouse=True)
def _no_network(socket_disabled):
    return socket_disabled
