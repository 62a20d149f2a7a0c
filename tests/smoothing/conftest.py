"""Random tensors for the tests of this part."""

import pytest
from helpers import Draw


@pytest.fixture
def draw(device):
    return Draw(6620, device)
