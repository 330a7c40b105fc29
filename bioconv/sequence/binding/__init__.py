"""Models of protein binding: the data they learn from, the recipes, and what is stored with the result."""
