"""The report as a reader of its HTML sees it: whole, closed, named, and with nothing from outside."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from bioconv.errors import OptionError, OutputError
from bioconv.report.drawing import draw_curves, draw_learning_rate, embed
from bioconv.report.facts import Errors, Metric, Picture, Table, TrainingReport, curves_of
from bioconv.report.training_report import render, training_report

HISTORY = [
    {
        "epoch": epoch,
        "step": 10 * epoch,
        "learning_rate": 1e-3,
        "train_loss": 1 / (epoch + 1),
        "loss": 0.5,
        "auroc": 0.9,
    }
    for epoch in range(4)
]
LOGO = (
    '<?xml version="1.0"?><!DOCTYPE svg><svg xmlns="http://www.w3.org/2000/svg"'
    ' xmlns:xlink="http://www.w3.org/1999/xlink"'
    ' width="40pt" height="20pt"><defs><path id="a" d="M 0 0 L 1 1"/>'
    '<clipPath id="c"><path d="M 0 0"/></clipPath></defs>'
    '<use xlink:href="#a" clip-path="url(#c)"/></svg>'
)
FACTS = TrainingReport(
    title="rest <gm12878>",
    summary="Trained & stopped.",
    curves=curves_of(HISTORY),
    best_epoch=2,
    learning_rate=[(0, 0.1), (1, 1.0), (2, 0.001)],
    errors=Errors("1 − AUROC", 0.02, 0.1, train_dev=0.03, test=0.12, reference=0.015, reference_name="two readers"),
    metrics=[Metric("AUROC", 0.9, 0.87654321, 0.93, "DeLong, 95 %"), Metric("accuracy", 0.8)],
    worst=Table(("name", "loss"), [("<script>alert(1)</script>", 3.21987), ("chr1:1-2", 3.0)]),
    split=Table(("part", "class", "samples"), [("train", "bound", 123456)]),
    split_made="folds=3 seed=1",
    search=Table(("setting", "score"), [(0, 0.5), (1, 0.7)], chosen=1),
    settings={"clip_norm": None, "balanced_sampling": True, "sizes": (1, 2)},
    environment={"torch": "2.8", "threads": 2},
    pictures=[Picture(LOGO, "Detector 1", "A logo <of> one."), Picture(LOGO, "Detector 2", "Another logo.")],
    notes=["Known weakness."],
)


class Page(HTMLParser):
    """Reads a page, and complains of what is not closed or closes something else."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text.setdefault(tag, []).append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.text[tag][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html() -> str:
    return render(FACTS)


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def test_nothing_comes_from_outside(html, page):
    for _, attributes in page.elements:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert "@import" not in html
    assert re.findall(r"url\((?!#)", html) == []
    assert page.all("script") == page.all("link") == []
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


def test_identifiers_are_unique_and_all_that_is_referred_to_is_there(html, page):
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    wanted = set(re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', html))
    assert wanted
    assert wanted <= set(names)


def test_pictures_are_described_and_tables_have_heads(page):
    drawings = page.all("svg")
    assert len(drawings) == 2 + 1 + 2
    assert all(svg["role"] == "img" and svg["aria-labelledby"] and svg.get("viewbox") for svg in drawings)
    assert not any({"width", "height"} & set(svg) for svg in drawings)
    described = [text for text in page.text["title"] if "plot" in text or "logo" in text]
    assert len(described) == 5
    assert "A logo <of> one." in described
    assert "train from 1 to 0.25; dev from 0.5 to 0.5; the weights of epoch 2 were kept" in described[0]
    assert all(head.get("scope") in {"col", "row"} for head in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) == 5
    assert page.all("html")[0]["lang"] == "en"
    regions = [region for region in page.all("div") if region.get("role") == "region"]
    assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions)


def test_names_are_text(html, page):
    assert "rest <gm12878>" in page.text["h1"][0]
    assert any("<script>alert(1)</script>" in text for text in page.text["th"])
    assert "<script" not in html


def rows(page: Page, html: str, section: str) -> list[list[str]]:
    part = html[html.index(f'<section id="{section}">') :].partition("</section>")[0]
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", part, re.DOTALL)
    return [[re.sub("<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in found]


def test_what_the_tables_say(page, html):
    assert rows(page, html, "metrics")[1:] == [
        ["AUROC", "test", "0.9000", "0.8765 to 0.9300", "DeLong, 95 %"],
        ["accuracy", "test", "0.8000", "", ""],
    ]
    assert rows(page, html, "errors")[1:] == [
        ["two readers", "0.01500", ""],
        ["train", "0.02000", "bias +0.005"],
        ["train-dev", "0.03000", "variance +0.01"],
        ["dev", "0.1000", "mismatch +0.07"],
        ["test", "0.1200", "fitted to dev +0.02"],
    ]
    assert rows(page, html, "search")[1:] == [["0", "0.5000"], ["1 chosen", "0.7000"]]
    assert rows(page, html, "split")[1] == ["train", "bound", "123\u202f456"]
    assert "Mismatch is the widest gap (0.07" in html
    values = dict(zip(page.text["dt"], page.text["dd"], strict=True))
    assert values == {"clip_norm": "–", "balanced_sampling": "yes", "sizes": "1, 2", "torch": "2.8", "threads": "2"}


def test_without_reference_and_train_dev(page):
    text = render(replace(FACTS, errors=Errors("loss", 0.2, 0.5)))
    assert [row[2] for row in rows(page, text, "errors")[1:]] == ["bias +0.2 (to 0)", "variance +0.3"]


def test_what_is_empty_is_left_out():
    bare = Page(render(TrainingReport("m", "Nothing yet.")))
    assert bare.all("section") == bare.all("table") == bare.all("svg") == bare.all("li") == []


def test_the_same_facts_give_the_same_bytes(html):
    assert render(FACTS) == html


def test_the_file_is_whole_or_not_there(tmp_path):
    training_report(tmp_path / "report.html", FACTS)
    assert (tmp_path / "report.html").read_text() == render(FACTS)
    with pytest.raises(OptionError, match=r"columns name, loss: row \('a',\) does not fit"):
        training_report(tmp_path / "other.html", replace(FACTS, worst=Table(("name", "loss"), [("a",)])))
    with pytest.raises(OptionError, match="chosen row 2 of 2"):
        render(replace(FACTS, search=replace(FACTS.search, chosen=2)))
    with pytest.raises(OutputError):
        training_report(tmp_path / "none" / "report.html", FACTS)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_lines_are_drawn_through_their_points():
    """Heights on the page are the values, turned upside down and scaled."""
    values = [0.0, 0.5, 0.25, 1.0]
    picture = draw_curves("loss", {"train": list(enumerate(values))})
    strokes = [
        [tuple(map(float, pair)) for pair in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)]
        for path in re.findall(r'<path d="([^"]+)" clip-path[^>]*stroke: #0072b2', picture.svg)
    ]
    (drawn,) = strokes
    heights = [y for _, y in drawn]
    scaled = [(heights[0] - y) / (heights[0] - heights[3]) for y in heights]
    assert scaled == pytest.approx(values, abs=1e-4)
    steps = {round(second[0] - first[0], 3) for first, second in pairwise(drawn)}
    assert len(steps) == 1


def test_rates_that_span_much_are_drawn_on_a_logarithmic_scale():
    wide, narrow = draw_learning_rate([(0, 1e-3), (9, 1e-6)]), draw_learning_rate([(0, 1.0), (9, 0.5)])
    assert "−" in "".join(re.findall(r"<tspan[^>]*>(.*?)</tspan>", wide.svg))  # 10 to a negative power
    assert "−" not in narrow.svg
    assert "from 0.001 to 1e-06, at most 0.001" in wide.description


@pytest.mark.parametrize(
    ("svg", "words"),
    [
        ("<svg", "is no SVG"),
        ("<p/>", "<p> instead of <svg>"),
        ("<svg><script>1</script></svg>", "<script>"),
        ('<svg onload="x()"/>', "onload="),
        ('<svg><image href="https://example.org/x.png"/></svg>', "href="),
        ('<svg><rect style="fill: url(https://example.org/x)"/></svg>', "style="),
        ("<svg><style>@import 'x'</style></svg>", "a style that loads something"),
        ("<svg><foreignObject/></svg>", "<foreignobject>"),
    ],
)
def test_pictures_that_are_not_plain(svg, words):
    with pytest.raises(OptionError, match=words):
        embed(Picture(svg, "c", "d"), 0)


def test_curves_of_a_history():
    curves = curves_of(
        [{"epoch": 1, "train_loss": 2.0, "loss": 3.0, "train-dev loss": 4.0, "auroc": None, "seconds": 9.0}]
    )
    assert curves == {"loss": {"train": [(1, 2)], "dev": [(1, 3)], "train-dev": [(1, 4)]}}
    assert curves_of([{"epoch": 1, "step": 7, "dice": 2.0}], x="step") == {"dice": {"dev": [(7, 2)]}}
