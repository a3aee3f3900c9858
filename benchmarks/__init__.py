"""Ratios against peers and limits, all contenders side by side in one run: `make bench NAME=features`."""
