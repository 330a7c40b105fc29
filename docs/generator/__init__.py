"""What the documentation is made of beside its pages: commands, models, Python, and pages from other folders."""
