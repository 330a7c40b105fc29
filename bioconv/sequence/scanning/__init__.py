"""Scanning: engines that find hits, their p- and q-values, filters, and the rows they are written as."""
