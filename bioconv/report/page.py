"""What all reports have in common: one HTML file, its style, and how numbers are written in it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import jinja2


def render_page(template: str, **content: object) -> str:
    """Return the HTML of a report from its template."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bioconv.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["figure"] = figure
    environment.filters["numeric"] = lambda value: isinstance(value, int | float) and not isinstance(value, bool)
    return environment.get_template(template).render(**content)


def number(value: object) -> str:
    """Return a value as a reader wants it: four digits of a fraction, all of a whole number."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else str(value)
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {number(own)}" for key, own in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(number, value))
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) and abs(value) > 9999 else str(value)


def figure(value: object) -> str:
    """Return a value of a table's column: fractions with all their four digits, to be compared at a glance."""
    return f"{value:#.4g}" if isinstance(value, float) and math.isfinite(value) else number(value)
