"""One image from its file to its labels, in memory or streamed."""
