"""Options of all tests."""


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the golden texts instead of comparing with them"
    )
