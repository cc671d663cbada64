"""The embedded pair `tiny`: two small models that come along, for first runs, documentation and tests."""
