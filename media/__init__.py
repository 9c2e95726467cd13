"""Codecs, tones and audio files as pure functions over PCM."""
