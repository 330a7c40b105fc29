"""Mammograms: from files to prepared breasts and exams. Research use only, not a medical device."""
