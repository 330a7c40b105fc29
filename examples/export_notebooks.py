"""Export the tutorials as notebooks with their output, and as pages of the documentation.

A tutorial is a script of this folder, in cells (`# %%`, and `# %% [markdown]` for text). Its cells are run one after
another, and what they print and draw is put below them. No kernel is needed.

Run: python examples/export_notebooks.py [NAME ...]     # default: all, each in a process of its own

    build/notebooks/NAME.ipynb                          # to be opened with Jupyter
    docs/tutorials/NN-NAME.md, docs/tutorials/images/   # as the documentation shows it
"""

from __future__ import annotations

import base64
import contextlib
import io
import re
import subprocess
import sys
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import jupytext
import matplotlib as mpl
import nbformat
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

HERE = Path(__file__).parent
PAGES = HERE.parent / "docs" / "tutorials"
NOTEBOOKS = HERE.parent / "build" / "notebooks"
TUTORIALS = (
    "convolve_by_hand", "pwm_is_a_convolution", "train_one_factor", "score_variants", "unet_from_ten_images",
    "finetune_nuclei", "transfer_and_control", "motif_order", "vanishing_gradients", "bias_and_variance",
)  # fmt: skip
DOTS_PER_INCH = 90
COLOURS = 256


@dataclass(frozen=True)
class Cell:
    """A cell that was run: `kind` (`code` or `markdown`), its source, what it printed, and its figures as PNG."""

    kind: str
    source: str
    printed: str = ""
    pictures: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Played:
    """A tutorial that was run: its cells, and every name that they left behind."""

    name: str
    cells: tuple[Cell, ...]
    names: dict[str, Any]


def page_name(name: str) -> str:
    """Return the name of a tutorial's page, numbered in the order of the course."""
    return f"{TUTORIALS.index(name) + 1:02d}-{name.replace('_', '-')}"


def play(name: str) -> Played:
    """Run a tutorial cell by cell.

    Raises
    ------
    RuntimeError
        If a cell fails; the message names it.
    """
    path = HERE / f"{name}.py"
    module = ModuleType(name)
    before = sys.modules.get(name), mpl.get_backend()
    sys.modules[name] = module  # dataclasses look their module up
    plt.switch_backend("agg")
    done = []
    try:
        for number, cell in enumerate(jupytext.read(path).cells, 1):
            if cell.cell_type == "markdown":
                done.append(Cell("markdown", cell.source))
                continue
            done.append(_run(cell.source, module.__dict__, f"{path.name}, cell {number}"))
    finally:
        plt.close("all")
        plt.switch_backend(before[1])
        if before[0] is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before[0]
    return Played(name, tuple(done), dict(module.__dict__))


def _run(source: str, names: dict[str, Any], place: str) -> Cell:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        try:
            exec(compile(source, place, "exec"), names)
        except Exception as error:
            message = f"{place} failed:\n{traceback.format_exc(limit=-3)}"
            raise RuntimeError(message) from error
    pictures = []
    for number in plt.get_fignums():
        figure = plt.figure(number)
        pictures.append((_subject(figure), _png(figure)))
    plt.close("all")
    return Cell("code", source, printed.getvalue(), tuple(pictures))


def _subject(figure: Figure) -> str:
    """Return what a figure says it shows: its title, else that of its first axes."""
    titles = [figure.get_suptitle()]
    titles += [axes.get_title(loc=side) for axes in figure.axes for side in ("left", "center")]
    return next((title.replace("\n", " ") for title in titles if title), "figure")


def _png(figure: Figure) -> bytes:
    """Return a small PNG: one palette for the whole picture."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
    picture = Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(small, format="png", optimize=True)
    return small.getvalue()


def page(played: Played, seconds: float, machine: str) -> str:
    """Return a tutorial as Markdown; its figures are `images/NN-NAME-1.png` and so on."""
    parts, drawn = [], 0
    for cell in played.cells:
        if cell.kind == "markdown":
            parts.append(_linked(cell.source, "../", lambda name: f"{page_name(name)}.md"))
            continue
        parts.append(f"```python\n{cell.source}\n```")
        if cell.printed.strip():
            parts.append(f"```text\n{cell.printed.rstrip()}\n```")
        for subject, _ in cell.pictures:
            drawn += 1
            parts.append(f"![{subject}](images/{page_name(played.name)}-{drawn}.png)")
    parts.append(
        f"---\n\nMade by running [`examples/{played.name}.py`](../../examples/{played.name}.py), which took "
        f"{seconds:.0f} s of processor time on one core ({machine}). "
        f"`python examples/export_notebooks.py {played.name}` makes a notebook of it."
    )
    return "\n\n".join(parts) + "\n"


def notebook(played: Played) -> nbformat.NotebookNode:
    """Return a tutorial as a notebook with its output."""
    book = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    for number, cell in enumerate(played.cells, 1):
        if cell.kind == "markdown":
            text = _linked(cell.source, "../../docs/", lambda name: f"{name}.ipynb")
            book.cells.append(nbformat.v4.new_markdown_cell(text, id=f"cell-{number}"))
            continue
        outputs = [nbformat.v4.new_output("stream", name="stdout", text=cell.printed)] if cell.printed else []
        for subject, picture in cell.pictures:
            data = {"image/png": base64.b64encode(picture).decode(), "text/plain": subject}
            outputs.append(nbformat.v4.new_output("display_data", data=data))
        code = nbformat.v4.new_code_cell(cell.source, outputs=outputs, execution_count=number, id=f"cell-{number}")
        book.cells.append(code)
    nbformat.validate(book)
    return book


def _linked(text: str, docs: str, other: Any) -> str:
    """Turn links out of this folder, and to other tutorials, into those of a folder one level further down."""
    text = text.replace("](../", "](../../").replace("](../../docs/", f"]({docs}")
    return re.sub(r"\]\((\w+)\.py\)", lambda match: f"]({other(match[1])})", text)


def processor() -> str:
    """Return the processor's name without its model number where Linux gives it."""
    facts = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", facts.read_text()) if facts.exists() else None
    return " ".join(found[1].split()) if found else "unknown processor"


def export(name: str) -> None:
    """Run one tutorial and write its notebook, page and pictures."""
    played = play(name)
    seconds = time.process_time()  # of this process, imports included
    pictures = PAGES / "images"
    for folder in (NOTEBOOKS, pictures):
        folder.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob(f"{page_name(name)}-*.png"):
        old.unlink()
    drawn = [picture for cell in played.cells for _, picture in cell.pictures]
    for number, picture in enumerate(drawn, 1):
        (pictures / f"{page_name(name)}-{number}.png").write_bytes(picture)
    (PAGES / f"{page_name(name)}.md").write_text(page(played, seconds, processor()))
    nbformat.write(notebook(played), NOTEBOOKS / f"{name}.ipynb")
    print(f"{name}: {seconds:.1f} s, {len(drawn)} figures, {sum(map(len, drawn)) / 1000:.0f} kB")


def main(names: list[str]) -> None:
    """Export one tutorial here, several in processes of their own, so that each one's time is its own."""
    unknown = sorted(set(names) - set(TUTORIALS))
    if unknown:
        sys.exit(f"no tutorial {', '.join(unknown)}; there are {', '.join(TUTORIALS)}")
    if len(names) == 1:
        export(names[0])
        return
    for name in names or TUTORIALS:
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
