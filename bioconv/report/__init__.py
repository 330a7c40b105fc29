"""Pages and plots a person reads."""
