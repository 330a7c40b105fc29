"""DNA and RNA: reading, scanning, p-values."""
