"""Objects: targets to learn, splitting of maps, measurements, outlines."""
