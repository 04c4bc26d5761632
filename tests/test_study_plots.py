"""Figures out of made-up numbers: every axis has a unit, and nothing is measured for it."""

import io
import random

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from nsbridge.namespaces import Kind
from nsbridge.pairs import PAIRS
from nsbridge.study import drawings, plots, timelines
from nsbridge.study.faults import Fault, Verdict
from nsbridge.study.soak import PARTS
from nsbridge.study.trace import Call

ENVIRONMENT = {"machine": "x86_64", "cores": 2, "kernel": "6.1", "python": "3.11", "runc": "1.1", "user": "root"}


def record(pair: str, size: int = 64) -> dict[str, object]:
    figures = {"p50_us": 50.0, "p95_us": 80.0, "p99_us": 120.0, "max_us": 900.0, "mib_per_s": 200.0}
    return {"pair": pair, "size": size, "count": 300, "environment": ENVIRONMENT, **figures}


SAMPLES = {pair: [40 + random.Random(pair).expovariate(0.1) for _ in range(300)] for pair in PAIRS}
RECORDS = [record(pair) for pair in PAIRS]
FAULTS = [Fault("SIGKILL of the bridge", 1.0, 1.0, 1.3), Fault("a full disk", 2.0, 2.5, 2.6)]
VERDICT = Verdict("net-ipc", 1, FAULTS, echoes=[each / 100 for each in range(300)], environment=ENVIRONMENT)
HELD = {part: {"rss": 20 << 20, "descriptors": 9, "threads": 2} for part in PARTS}
SOAKED = {
    "pair": "net-ipc", "clients": 2, "account": {"messages": 9}, "environment": ENVIRONMENT,
    "samples": [{"seconds": second, **HELD} for second in range(9)],
}  # fmt: skip
FIGURES = {
    "whole": lambda: timelines.whole(VERDICT),
    "moment": lambda: timelines.moment(VERDICT, "SIGKILL of the bridge"),
    "soak": lambda: timelines.soak(SOAKED),
    "histogram": lambda: plots.histogram(RECORDS[0], SAMPLES["net-ipc"]),
    "sweep": lambda: plots.sweep([record("net-ipc", size) for size in (64, 1024, 65536)]),
    "ecdf": lambda: plots.ecdf(SAMPLES, RECORDS[0], "mnt-net"),
    "throughput": lambda: plots.throughput(RECORDS, "mnt-net"),
}


def written(figure: Figure) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg")
    return file.getvalue()


@pytest.mark.parametrize("name", FIGURES)
def test_axes_have_units_and_the_machine_is_named(name: str) -> None:
    axes = FIGURES[name]().axes[0]
    labels = axes.get_xlabel() + axes.get_ylabel()
    assert any(unit in labels for unit in ("µs", "MiB", "seconds"))
    assert "x86_64, 2 cores, Linux 6.1" in axes.get_title(loc="left")


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_numbers_give_the_same_picture_as_vectors(name: str) -> None:
    assert "<image" not in written(FIGURES[name]())


def test_the_map_of_pairs_has_no_value_where_x_is_y() -> None:
    texts = [text.get_text() for text in plots.heat(RECORDS, "net-ipc").axes[0].texts]
    assert texts.count("-") == 3
    assert texts.count("50") == 6


def test_the_way_of_the_bridge_names_steps_kinds_and_inodes() -> None:
    column = {kind: (4026530000 + kind.value % 1000, "host") for kind in Kind}
    changed = column | {Kind.NET: (4026539999, "A")}
    figure = drawings.journey({"A": changed, "open": column, "join x": changed, "B": column})
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"A", "open", "join x", "B", "…9999", *(kind.name for kind in Kind)} <= texts


def test_a_sequence_leads_from_a_to_b_and_back() -> None:
    calls = [
        Call(1, 1.0, 1.0, "recvfrom", "", "9"),
        Call(1, 1.0, 1.0001, "msgsnd", "", "0"),
        Call(2, 1.0, 1.0002, "msgrcv", "", "9"),
        Call(2, 1.0, 1.0003, "sendto", "", "9"),
    ]
    texts = drawings.sequence(calls, "net", "ipc").axes[0].texts
    arrows = [(text.xyann[0], text.xy[0]) for text in texts if isinstance(text, Annotation)]
    assert arrows == [(0, 1), (1, 3), (3, 2), (2, 0)]


def test_the_map_names_both_shared_namespaces() -> None:
    inodes = {who: {"net": 11, "ipc": 22, "mnt": 33} for who in ("a", "bridge", "b")}
    texts = [text.get_text() for text in drawings.chart("net", "mnt", inodes, ("port 7", "/run")).axes[0].texts]
    assert {"NET 11", "MNT 33", "port 7", "/run"} <= set(texts)
