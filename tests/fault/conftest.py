def pytest_addoption(parser):
    parser.addoption("--rounds", type=int, default=1, help="how often each fault of the relay's tests is repeated")
