"""Recurrent networks that read sequences letter by letter: their model, their use, their training."""
