"""Nothing in this folder opens a socket: what these commands do with files, they do offline."""

import pytest


@pytest.fixture(autouse=True)
def _no_network(socket_disabled):
    return socket_disabled
