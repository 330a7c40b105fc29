"""Views and modifiers of mammography as DICOM codes them: CID 4014 and CID 4015 of PS3.16."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SCHEMES = {"SCT", "SRT", "SNM3", "99SDM"}
"""SNOMED CT, and the designators under which SNOMED RT went."""
SPECIMEN = "specimen"
VIEWS = {
    "CC": ("cranio-caudal", "399162004", "R-10242"),
    "MLO": ("medio-lateral oblique", "399368009", "R-10226"),
    "ML": ("medio-lateral", "399260004", "R-10224"),
    "LM": ("latero-medial", "399352003", "R-10228"),
    "LMO": ("latero-medial oblique", "399099002", "R-10230"),
    "FB": ("caudo-cranial (from below)", "399196006", "R-10244"),
    "SIO": ("superolateral to inferomedial oblique", "399188001", "R-102D0"),
    "ISO": ("inferomedial to superolateral oblique", "441555000", "R-40AAA"),
    "XCCL": ("cranio-caudal exaggerated laterally", "399192008", "R-1024A", "Y-X1770"),
    "XCCM": ("cranio-caudal exaggerated medially", "399101009", "R-1024B", "Y-X1771"),
    SPECIMEN: ("tissue specimen from breast", "127457009", "G-8310"),
}
"""Name by the ACR's manual, meaning, code of SNOMED CT, codes of SNOMED RT (two of them withdrawn)."""
MODIFIERS = {
    "M": ("magnification", "399163009", "R-102D6"),
    "S": ("spot compression", "399055006", "R-102D7"),
    "ID": ("implant displaced", "399209000", "R-102D5"),
    "CV": ("cleavage", "399161006", "R-102D2"),
    "AT": ("axillary tail", "399011000", "R-102D1"),
    "RL": ("rolled lateral", "399197002", "R-102D3"),
    "RM": ("rolled medial", "399226006", "R-102D4"),
    "RI": ("rolled inferior", "414493004", "R-102CA"),
    "RS": ("rolled superior", "415670009", "R-102C9"),
    "TAN": ("tangential", "399110001", "R-102C2"),
    "NP": ("nipple in profile", "442581004", "R-40AB3"),
    "AC": ("anterior compression", "441752004", "P2-00161"),
    "IMF": ("infra-mammary fold", "442593008", "R-40ABE"),
    "AX": ("axillary tissue", "442580003", "R-40AB2"),
}
SCORED = ("CC", "MLO")
"""Views of a screening exam, one of each breast."""

_VIEW_OF = {code: name for name, (_, *codes) in VIEWS.items() for code in codes}
_MODIFIER_OF = {code: meaning for meaning, *codes in MODIFIERS.values() for code in codes}


@dataclass(frozen=True)
class Named:
    """A view by name and its modifiers' meanings."""

    view: str
    modifiers: tuple[str, ...] = ()


def view_of_codes(items: Iterable[Any] | None) -> Named | None:
    """Return what a View Code Sequence says; None where it is missing or its code is none of CID 4014.

    Parameters
    ----------
    items
        Data sets with CodeValue and CodingSchemeDesignator, modifiers nested inside.
    """
    for item in items or ():
        name = _VIEW_OF.get(_code(item))
        if name is not None:
            return Named(name, modifiers_of_codes(item.get("ViewModifierCodeSequence")))
    return None


def modifiers_of_codes(items: Iterable[Any] | None) -> tuple[str, ...]:
    """Return the meanings of a View Modifier Code Sequence; of an unknown code what the file calls it."""
    names = []
    for item in items or ():
        code = _code(item)
        told = str(item.get("CodeMeaning", "") or code).strip()
        names.append(_MODIFIER_OF.get(code, told or "a modifier without a code"))
    return tuple(dict.fromkeys(names))


def view_of_text(text: str) -> Named | None:
    """Return what a name of a view says: `CC`, `MLO`, with modifiers before or after it as on films (`MCC`, `MLOID`).

    Examples
    --------
    >>> view_of_text("mlo"), view_of_text("MCC").modifiers, view_of_text("PA")
    (Named(view='MLO', modifiers=()), ('magnification',), None)
    """
    name = text.strip().upper()
    if name in VIEWS:
        return Named(name)
    for view in sorted(VIEWS, key=len, reverse=True):
        before, found, after = name.partition(view)
        if not found or view == SPECIMEN or after == "M":  # magnification is written before the view
            continue
        around = [part for part in (before, after) if part]
        if all(part in MODIFIERS for part in around):
            return Named(view, tuple(MODIFIERS[part][0] for part in around))
    if name in MODIFIERS:  # some makers write the modifier alone
        return Named("", (MODIFIERS[name][0],))
    return None


def _code(item: Any) -> str:
    scheme = str(item.get("CodingSchemeDesignator", "") or "").strip().upper()
    value = item.get("CodeValue") or item.get("LongCodeValue") or ""
    return str(value).strip() if scheme in SCHEMES else ""
