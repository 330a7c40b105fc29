"""Split files of anybody's data: grouped, stratified, and without leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bioconv.datasets.listing import Listing, read_listing, with_thumbnails

from bioconv.errors import InputError, OptionError
from bioconv.images.copies import copies
from bioconv.training.copies import check_copies
from bioconv.training.splits import Split, check_split, make_split
from bioconv.wording import counted

FRACTIONS = {"train": 0.7, "dev": 0.15, "test": 0.15}
_MOST_CLASSES = 100
_LARGEST = 0.5  # share of all samples beyond which a group is worth a word


def split_data(
    data: str | Path | Listing,
    *,
    fractions: Mapping[str, float] | None = None,
    folds: int | None = None,
    group: str | None = None,
    stratify: str | None = None,
    seed: int = 0,
) -> tuple[Split, list[str]]:
    """Divide samples into parts or folds so that nothing is known in one part from another.

    Samples of one group stay together; and so do identical sequences, reverse complements, and images that are copies
    of each other by their thumbnails, turned or mirrored, which join the groups they are in.

    Parameters
    ----------
    data
        What `bioconv.datasets.listing.read_listing` takes, or has given.
    fractions
        Part to share; None, without `folds`: 0.7 train, 0.15 dev, 0.15 test.
    folds
        How many, in place of shares; None: parts.
    group
        Column of what must not be divided (a patient); None: `group` or `patient`, if there is one. Of a folder's
        images `folder` is one too. A sample whose cell is empty is a group of its own.
    stratify
        Column of classes that every part gets its share of.
    seed
        Of the draw.

    Returns
    -------
    Split
    list of str
        What was found on the way: a sentence each.

    Raises
    ------
    InputError
        If the data cannot be read, a column is missing, or there are too few samples for the parts.
    OptionError
        If the shares or the classes make no sense.
    """
    listing = data if isinstance(data, Listing) else read_listing(data)
    given = _groups(listing, group)
    seen = with_thumbnails(listing).thumbnails
    pairs = [] if seen is None else [(one, other) for one, other, _ in copies(seen, turned=True)]
    groups = joint_groups(listing.names, given, listing.fingerprints, pairs)
    labels = None if stratify is None else _classes(listing, stratify)
    alone = given is None and len(set(groups)) == len(groups)
    split = make_split(
        listing.names, labels=labels, groups=None if alone else groups,
        fractions=fractions or (None if folds else FRACTIONS), folds=folds, seed=seed,
    )  # fmt: skip
    return split, _said(listing, given, pairs, groups)


def check_data(data: str | Path | Listing, split: Split, *, group: str | None = None) -> list[str]:
    """Refuse a split of these data in which something is in two parts that should not be.

    Parameters
    ----------
    data, group
        As `split_data` takes them.
    split
        To be looked at.

    Returns
    -------
    list of str
        What was compared, and copies within one part: a sentence each.

    Raises
    ------
    InputError
        If the data cannot be read, names are missing on either side, or there are leaks: all kinds in one message.
    """
    listing = with_thumbnails(data if isinstance(data, Listing) else read_listing(data))
    for what, lacking in (
        (f"of {listing.source} that the split does not know", set(listing.names) - set(split.parts)),
        (f"of the split that {listing.source} does not hold", set(split.parts) - set(listing.names)),
    ):
        if lacking:
            shown = ", ".join(sorted(lacking)[:5])
            message = f"{counted(len(lacking), 'sample')} {what}: {shown}; is it the split of these data?"
            raise InputError(message)
    leaks, within = find_leaks(split, listing, groups=_groups(listing, group))
    if leaks:
        raise InputError("\n".join(leaks))
    compared = [counted(len(listing.names), "sample") + (", groups of the split" if split.groups else "")]
    column = group or listing.group_column()
    compared += [f"column {column}"] if column else []
    compared += ["sequences and their reverse complements"] if listing.fingerprints else []
    compared += ["images by their thumbnails"] if listing.images else []
    return [f"no leaks: compared {', '.join(compared)}", *(f"copies within one part: {line}" for line in within)]


def find_leaks(split: Split, listing: Listing, *, groups: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Return what crosses the parts of a split, a sentence per kind, and copies of images within a part.

    Every sample must be in the split.

    Parameters
    ----------
    split, listing
        The parts, and the samples with what is known of them, thumbnails of images too.
    groups
        One per sample, of what must not be divided; None: not known.
    """
    leaks: list[str] = []
    within: list[str] = []
    known = [] if groups is None else [dict(zip(listing.names, groups, strict=True))]
    for marks in [dict(split.groups), *known]:
        try:
            check_split(split, groups=marks)
        except InputError as error:
            leaks.append(str(error))
    if listing.fingerprints is not None:
        try:
            # Groups were looked at above: here only sequences count.
            check_split(
                Split(split.parts, {}), fingerprints=dict(zip(listing.names, listing.fingerprints, strict=True))
            )
        except InputError as error:
            leaks.append(str(error))
    if listing.thumbnails is not None:
        try:
            within = check_copies(split, listing.names, listing.thumbnails, turned=True)
        except InputError as error:
            leaks.append(str(error))
    return list(dict.fromkeys(leaks)), within


def joint_groups(
    names: Sequence[str],
    groups: Sequence[str] | None,
    fingerprints: Sequence[str] | None,
    pairs: Iterable[tuple[int, int]],
) -> list[str]:
    """Return the group of each sample when all that belongs together is joined.

    A joint group is called by the first, sorted, of the groups in it, or else of its samples' names.

    Parameters
    ----------
    names
        Of the samples.
    groups, fingerprints
        One per sample: equal ones belong together; None: not known.
    pairs
        Places of samples that belong together.

    Examples
    --------
    >>> joint_groups(["a", "b", "c", "d"], ["p", "p", "q", "r"], None, [(1, 2)])
    ['p', 'p', 'p', 'r']
    """
    leader = list(range(len(names)))

    def find(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    def join(one: int, other: int) -> None:
        leader[find(other)] = find(one)

    for marks in (groups, fingerprints):
        first: dict[str, int] = {}
        for place, mark in enumerate(marks or ()):
            join(first.setdefault(mark, place), place)
    for one, other in pairs:
        join(one, other)
    called: dict[int, str] = {}
    own = names if groups is None else groups
    for place in range(len(names)):
        root = find(place)
        called[root] = min(called.get(root, own[place]), own[place])
    return [called[find(place)] for place in range(len(names))]


def _groups(listing: Listing, column: str | None) -> list[str] | None:
    column = column or listing.group_column()
    if column is None:
        return None
    given = listing.column(column)
    taken = set(given)
    return [own or _alone(name, taken) for name, own in zip(listing.names, given, strict=True)]


def _alone(name: str, taken: set[str]) -> str:
    """Return a group for a sample without one that is nobody else's."""
    while name in taken:
        name += "'"
    return name


def _classes(listing: Listing, column: str) -> list[str]:
    classes = listing.column(column)
    if len(set(classes)) > min(_MOST_CLASSES, max(len(classes) // 2, 1)):
        message = f"column {column} of {listing.source} has {len(set(classes))} values for {len(classes)} samples; "
        message += f"a split is stratified by classes, {_MOST_CLASSES} at most"
        raise OptionError(message)
    return classes


def _said(
    listing: Listing, given: Sequence[str] | None, pairs: Sequence[tuple[int, int]], groups: Sequence[str]
) -> list[str]:
    said = []
    if given is not None:
        said.append(f"{counted(len(set(given)), 'group')} given")
    if listing.fingerprints is not None:
        more = len(listing.fingerprints) - len(set(listing.fingerprints))
        same = counted(more, "sequence", does=("is a copy or reverse complement", "are copies or reverse complements"))
        said += [f"{same} of others: kept in one part"] if more else []
    if pairs:
        shown = "; ".join(f"{listing.names[one]} and {listing.names[other]}" for one, other in pairs[:5])
        more_pairs = f" and {len(pairs) - 5} more" if len(pairs) > 5 else ""
        said.append(f"{counted(len(pairs), 'pair')} of images that are copies: kept in one part: {shown}{more_pairs}")
    largest, count = Counter(groups).most_common(1)[0]
    if count > max(_LARGEST * len(groups), 1):
        said.append(f"group {largest} holds {count} of {len(groups)} samples: parts cannot have their shares")
    return said
