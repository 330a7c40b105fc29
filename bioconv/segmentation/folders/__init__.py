"""`bioconv segment` on folders: finding, naming, results, manifest, what to label next."""
