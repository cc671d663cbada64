"""Methods: what the models are asked for each text of a prompt."""
