"""The value of a router's gamma for a wanted base share, or at the knee of a measured trade-off."""
