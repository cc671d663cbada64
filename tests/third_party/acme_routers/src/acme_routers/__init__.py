"""Routers for BACo by somebody else: nothing in BACo knows this package."""
