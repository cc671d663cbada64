"""Serves pairs over HTTP, as OpenAI does, and a page to play with."""
