"""Zero-shot action recognition in video: train once, then name actions never seen."""

__version__ = "0.1.0"
