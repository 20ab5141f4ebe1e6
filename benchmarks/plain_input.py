"""Clips from videos with PyAV, as most loaders read them: every frame from the keyframe before the clip on is decoded."""

import functools

import pyav_input

read_clip = functools.partial(pyav_input.read_clip, skip=False)
