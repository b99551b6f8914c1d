"""The figures as files: equal bytes, resolution, layout, settings left alone."""

from __future__ import annotations

import math
import re
import subprocess
import sys

import matplotlib as mpl
import pytest

from capacity.plots import render
from tests.plot_cases import draw_capacity, draw_roi

INF = math.inf


def test_svg_is_the_same_every_time_and_carries_no_date() -> None:
    errors = {(1, 4, 0.1): [0.5, 0.4], (1, 8, 0.1): [0.3, 0.0]}
    first, second = render(draw_capacity(errors), "svg"), render(draw_capacity(errors), "svg")
    assert first == second
    assert b"<dc:date>" not in first
    assert b'id="error-depth-1"' in first


def test_png_is_fine_enough_to_print() -> None:
    png = render(draw_roi({(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.3]}), "png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (1400, 1000)
    pixels_per_metre = int.from_bytes(png[(at := png.index(b"pHYs") + 4) : at + 4], "big")
    assert pixels_per_metre * 0.0254 == pytest.approx(200, abs=0.1)


def test_text_stays_inside_the_figure() -> None:
    errors = {(1, 2**k, lr): [INF if lr == 10 else 0.9 * 0.6**k] * 3 for k in range(8) for lr in (10.0, 0.1, 0.01)}
    for figure in (draw_capacity(errors), draw_roi(errors)):
        figure.draw_without_rendering()
        frame = figure.bbox
        for artist in (*figure.texts, *figure.legends, *figure.axes):
            box = artist.get_tightbbox()
            assert box.x0 >= -1 and box.x1 <= frame.x1 + 1, artist  # noqa: PT018
            assert box.y0 >= -1 and box.y1 <= frame.y1 + 1, artist  # noqa: PT018


def test_title_and_axes_do_not_touch() -> None:
    figure = draw_capacity({(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.0]})
    figure.draw_without_rendering()
    lowest = min(text.get_tightbbox().y0 for text in figure.texts)
    assert figure.axes[0].get_tightbbox().y1 < lowest


def test_the_users_matplotlib_settings_neither_matter_nor_change() -> None:
    errors = {(1, 4, 0.1): [0.5], (1, 8, 0.1): [0.3]}
    plain = render(draw_capacity(errors), "svg")
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 30, "axes.facecolor": "red"}):
        before = dict(mpl.rcParams)
        assert render(draw_capacity(errors), "svg") == plain
        assert dict(mpl.rcParams) == before


def test_pyplot_is_never_imported() -> None:
    code = (
        "import sys; from capacity.plots import Setting, capacity_figure, render; "
        "from capacity.analysis import capacity_curves; from tests.make_rows import make_rows; "
        "curves = capacity_curves(make_rows({(1, 4, 0.1): [0.5]})); "
        "render(capacity_figure(curves, Setting('digits', 10, 1, 1, '')), 'png'); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"False\s*", done.stdout)
