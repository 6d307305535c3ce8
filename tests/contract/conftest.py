"""The suite lies outside the tests; its assertions explain themselves all the same."""

import pytest

pytest.register_assert_rewrite("bisnes_core.conformance.suite", "bisnes_core.conformance.session_suite")
