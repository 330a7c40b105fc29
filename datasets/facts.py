"""What is told of a data set: plain values, for JSON and for reading."""

from __future__ import annotations

from typing import Any

from bioconv.datasets.files import presence, set_folder
from bioconv.datasets.registry import Source, module_of

_TEXTS = (
    "name", "title", "about", "kind", "citation", "doi", "citation_note", "licence", "terms", "weights", "registration",
    "address", "address_note", "sums_note", "conversion", "split",
)  # fmt: skip


def short_facts(source: Source) -> dict[str, Any]:
    """Return what a list says: what it is, number and bytes of files and how they are verified, terms, presence."""
    return {
        "name": source.name,
        "kind": source.kind,
        "files": len(source.files),
        "bytes": source.size,
        "licence": source.licence,
        "terms": "registration" if source.registration else "to accept" if source.accept else "",
        "verified_by": "sha256" if source.files else "names only",
        "installed": presence(source),
        "title": source.title,
    }


def facts(source: Source) -> dict[str, Any]:
    """Return all that is known of a set, its files and published figures included."""
    found: dict[str, Any] = {field: getattr(source, field) for field in _TEXTS}
    found |= {
        "results_note": source.results_note,
        "accept_licence": source.accept,
        "subsets": list(source.subsets),
        "results": [vars(result) for result in source.results],
        "loader": f"{module_of(source)}.load" if source.loader else "",
        "installed": presence(source),
        "path": str(set_folder(source)),
        "bytes": source.size,
        "expected": [vars(one) for one in source.expected],
        "files": [{"name": one.name, "size": one.size, "sha256": one.sha256, "url": one.url} for one in source.files],
    }
    return found
