"""Names of models, and where their files are."""

from bioconv.zoo.files import install, installed, location, resolve
from bioconv.zoo.registry import Model, ModelSet, find, packaged, search, sets

__all__ = ["Model", "ModelSet", "find", "install", "installed", "location", "packaged", "resolve", "search", "sets"]
