"""What the tests of the whole engine share."""

from pathlib import Path

import pytest

from tests.main.hall import prepare_sounds


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Asterisk's sounds folder, with everything spoken that the hall's engine may say."""
    folder = tmp_path_factory.mktemp("sounds")
    prepare_sounds(folder)
    return folder
