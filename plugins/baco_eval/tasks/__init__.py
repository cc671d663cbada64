"""Tasks: where prompts come from."""
