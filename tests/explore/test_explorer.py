"""The explorer as somebody uses it: every operator chosen, every control moved, in Chromium."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from opened import Opened, wait_for_text
from torch.nn import functional as T

from juanji.draw.operators import OPERATORS, find

PRESETS = {
    "pointwise": {"kernel": 1},
    "dilated": {"dilation": 2},
    "grouped": {"groups": 2},
    "depthwise": {"groups": 3},
}
NAMES = [*PRESETS, *(operator.name for operator in OPERATORS)]


# Open the operator, move one control, and again for every other; what became of it.
MOVE_EACH = """name => {
    juanji.open(`op=${name}`);
    const visible = ".settings:not([hidden])";
    const controls = [...document.querySelectorAll(`${visible} input, ${visible} select`)];
    return controls.map(one => one.name).filter(Boolean).map(name => {
        juanji.open(`op=${juanji.state.op}`);
        const control = document.querySelector(`.settings [name="${name}"]`);
        const before = JSON.stringify(juanji.state);
        if (control.type === "checkbox") control.click();
        else if (control.type === "range") {
            const up = Number(control.value) < Number(control.max);
            control.value = Number(control.value) + (up ? 1 : -1) * Number(control.step);
            control.dispatchEvent(new Event("input"));
        } else {
            control.selectedIndex = (control.selectedIndex + 1) % control.options.length;
            control.dispatchEvent(new Event("change"));
        }
        const { op, args } = juanji.state;
        let refusal = "";
        try { juanji.scene(op, args); } catch (error) { refusal = error.key ?? `${error.stack}`; }
        const message = document.querySelector(".side .message").textContent;
        return [name, before !== JSON.stringify(juanji.state), message, refusal];
    });
}"""


def choose(page: Any, name: str) -> None:
    page.evaluate(
        """name => { const select = document.querySelector("select.operator");
        select.value = name; select.dispatchEvent(new Event("change")); }""",
        name,
    )


def slide(page: Any, name: str, value: float) -> None:
    page.evaluate(
        """([name, value]) => { const input = document.querySelector(`.settings [name="${name}"]`);
        input.value = value; input.dispatchEvent(new Event("input")); }""",
        [name, value],
    )


def cells(page: Any, grid: str) -> list[str]:
    """Return what the cells of a grid of the first picture show."""
    script = """grid => [...document.querySelectorAll(`#picture [data-cell^="${grid}/"] text`)]
        .map(text => text.textContent)"""
    return list(page.evaluate(script, grid))


def facts(page: Any) -> dict[str, str]:
    script = """() => Object.fromEntries([...document.querySelector(".facts").children]
        .map(fact => [fact.dataset.fact, fact.querySelector("dd").textContent]))"""
    return dict(page.evaluate(script))


def to_the_end(page: Any) -> None:
    page.evaluate("document.querySelector('button.last').click()")


@pytest.mark.parametrize("name", NAMES)
def test_every_operator_plays_to_its_end(name: str, explorer: Any) -> None:
    choose(explorer, name)
    outputs = "[...document.querySelectorAll('#picture .grid.output [data-cell] text')]"
    if name != "deformable":
        blank = explorer.evaluate(f"{outputs}.filter(text => !text.textContent).length")
        assert blank == explorer.evaluate(f"{outputs}.length")
    to_the_end(explorer)
    assert explorer.evaluate(f"{outputs}.every(text => text.textContent)")
    assert not explorer.locator(".side .message").first.is_visible()
    assert explorer.locator(".code").is_visible() == (name != "view")


@pytest.mark.parametrize("name", NAMES)
def test_every_control_moves_the_picture_or_says_why_not(name: str, explorer: Any) -> None:
    moved = explorer.evaluate(MOVE_EACH, name)
    assert moved
    for control, changed, message, refusal in moved:
        assert changed, control
        assert "undefined" not in message, control
        # a picture of what the arguments say, or a reason
        assert bool(refusal) == bool(message), (control, refusal, message)


def test_the_numbers_shown_are_those_of_torch(explorer: Any) -> None:
    slide(explorer, "input", 6)
    slide(explorer, "stride", 2)
    slide(explorer, "padding-low", 1)
    slide(explorer, "in_channels", 2)
    slide(explorer, "out_channels", 3)
    to_the_end(explorer)
    values = explorer.evaluate(
        """() => Object.fromEntries(
            juanji.sides[0].scene.grids.map(grid => [grid.name, grid.values]))"""
    )
    x = torch.tensor(values["input"], dtype=torch.float64).reshape(1, 2, 6, 6)
    w = torch.tensor(values["weight"], dtype=torch.float64).reshape(3, 2, 3, 3)
    y = T.conv2d(x, w, stride=2, padding=1)
    assert [float(text) for text in cells(explorer, "output")] == y.flatten().tolist()
    assert facts(explorer)["output size"] == "floor((6 + 1 + 1 - 3) / 2) + 1 = 3"
    assert facts(explorer)["weights"] == "3 x 2 x 3 x 3 = 54"
    matrix = (
        find("conv").scene(input=(6, 6), stride=2, padding=1, in_channels=2, out_channels=3).matrix
    )
    assert matrix is not None
    assert explorer.locator("svg.matrix").get_attribute("aria-label") == "C: 27 × 72"


def test_stepping_playing_and_scrubbing(explorer: Any) -> None:
    explorer.get_by_label("One step on").click()
    assert explorer.locator(".count").text_content() == "1 / 9"
    assert (
        explorer.locator(".arithmetic")
        .first.text_content()
        .endswith(f"= {cells(explorer, 'output')[0]}")
    )
    explorer.locator(".scrub").fill("4")
    assert [bool(text) for text in cells(explorer, "output")] == [True] * 5 + [False] * 4
    explorer.keyboard.press("Escape")
    explorer.evaluate("document.activeElement.blur()")
    explorer.keyboard.press("ArrowLeft")
    assert explorer.locator(".count").text_content() == "4 / 9"
    explorer.locator(".speed").select_option("60")
    explorer.evaluate("document.activeElement.blur()")
    explorer.keyboard.press(" ")
    wait_for_text(explorer, ".count", "9 / 9")
    assert explorer.get_by_label("Play").is_visible()


def test_pausing_and_playing_again_at_once_plays_at_the_same_speed(explorer: Any) -> None:
    loops = explorer.evaluate(
        """() => new Promise(resolve => {
            juanji.open("op=conv&input=12x12&padding=same");
            const { player } = juanji.transport;
            for (let n = 0; n < 7; n += 1) player.toggle();
            const real = window.requestAnimationFrame;
            let asked = 0;
            window.requestAnimationFrame = run => { asked += 1; return real(run); };
            real(() => real(() => {
                window.requestAnimationFrame = real;
                player.toggle();
                resolve(asked);
            }));
        })"""
    )
    assert loops in (1, 2)  # one loop asks once in each of two frames


def test_a_cell_lights_what_it_reads_and_what_it_reaches(explorer: Any) -> None:
    explorer.locator('#picture [data-cell="output/0/1,1"]').first.hover()
    assert "reads 18 cells" in explorer.locator(".note").first.text_content()
    explorer.locator('#picture [data-cell="input/0/2,2"]').first.hover()
    assert "reaches 9" in explorer.locator(".note").first.text_content()
    assert explorer.locator("#picture .mark.reach").first.get_attribute("d").count("Z") == 9
    explorer.mouse.move(2, 2)
    explorer.locator("#picture").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "PageDown"):
        explorer.keyboard.press(key)
    assert explorer.locator(".note").first.text_content().startswith("weight, channel 0, (0, 0)")


def test_numbers_typed_are_computed_with(explorer: Any) -> None:
    area = explorer.locator("textarea[name='values']")
    area.fill("1 1 1 0 0\n0 1 1 1 0\n0 0 1 1 1\n0 0 1 1 0\n0 1 1 0 0")
    explorer.locator("textarea[name='weight']").fill("1,0,1, 0,1,0, 1,0,1")
    to_the_end(explorer)
    assert cells(explorer, "output") == ["4", "3", "4", "2", "4", "3", "2", "3", "4"]
    area.fill("1 2 3")
    assert "25 are needed" in explorer.locator(".field .message").first.text_content()
    area.fill("1 2 <img src=x>")
    assert "Only numbers" in explorer.locator(".field .message").first.text_content()
    assert cells(explorer, "output")[0] == "4"


def test_a_link_restores_the_state(explorer: Any, browser: Any, explorer_file: Path) -> None:
    choose(explorer, "octave")
    slide(explorer, "alpha_in", 0.5)
    slide(explorer, "in_channels", 4)
    explorer.locator(".scrub").fill("7")
    explorer.get_by_label("Compare with").select_option("conv")
    link = explorer.evaluate("location.hash")
    state = explorer.evaluate("JSON.stringify(juanji.state)")
    again = Opened(browser, explorer_file.as_uri() + link)
    assert again.page.evaluate("JSON.stringify(juanji.state)") == state
    assert again.page.locator(".count").text_content() == explorer.locator(".count").text_content()
    again.close()


def test_links_that_somebody_made_up_do_no_harm(explorer: Any) -> None:
    for link in (
        "op=<img src=x onerror=alert(1)>", "op=conv&input=99999999x9", "op=conv&kernel=-3",
        "op=conv&values=1,2,<b>", "op=conv&step=1e9", "op=conv&padding=1+2+3&groups=0.5",
        "op=conv&in_channels=0", "op=conv&kernel=0", "op=view&kernels=3",
        "op=interleaved&primary_groups=3",
        "op=conv&stride=0", "op=conv&input=3", "op=conv&kernel=3x3x3", "op=max-pool&stride=0",
        "op=inception&reduction=0", "op=octave&alpha_in=7", "op=dense&layers=0",
    ):  # fmt: skip
        explorer.evaluate("link => juanji.open(link)", link)
    assert explorer.locator("#picture svg").is_visible()
    assert explorer.locator("img").count() == 0


def test_two_operators_side_by_side(explorer: Any) -> None:
    slide(explorer, "in_channels", 2)
    slide(explorer, "out_channels", 4)
    explorer.get_by_label("Compare with").select_option("depthwise-separable")
    explorer.evaluate(
        """() => { const out = document.querySelectorAll(".settings input[name='out_channels']")[1];
        out.value = 4; out.dispatchEvent(new Event("input")); }"""
    )
    rows = explorer.evaluate(
        """() => [...document.querySelectorAll("table tbody tr")]
            .map(row => [...row.children].map(cell => cell.textContent))"""
    )
    assert ["weights", "72", "26", "0.36 ×"] in rows
    assert explorer.evaluate(
        """() => { const [a, b] = juanji.sides.map(side => side.scene.grids[0].values);
        return JSON.stringify(a) === JSON.stringify(b); }"""
    )


def test_chinese_and_english(explorer: Any) -> None:
    explorer.get_by_role("button", name="中文").click()
    assert explorer.get_by_text("写成矩阵").is_visible()
    assert explorer.evaluate("document.documentElement.lang") == "zh-CN"
    untranslated = explorer.evaluate(
        """() => [...document.querySelectorAll("select.operator option")]
            .filter(option => !/[\\u4e00-\\u9fff]/.test(option.textContent))
            .map(option => option.value)"""
    )
    assert untranslated == []
    explorer.get_by_role("button", name="English").click()
    assert explorer.get_by_text("As a matrix").is_visible()


def test_every_text_exists_in_both_languages(explorer: Any) -> None:
    keys = explorer.evaluate("() => juanji.texts.keys()")
    assert keys["en"] == keys["zh"]


def test_everything_can_be_named_by_a_screen_reader(explorer: Any) -> None:
    nameless = explorer.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, .frame")]
            .filter(one => one.checkVisibility() && !one.ariaHidden)
            .filter(one => !(one.ariaLabel || one.labels?.length || one.textContent.trim()))
            .map(one => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_scrolling_sideways(
    scheme: str, browser: Any, explorer_file: Path
) -> None:
    phone = Opened(
        browser, explorer_file.as_uri(), viewport={"width": 390, "height": 844}, color_scheme=scheme
    )
    for name in ("conv", "octave", "inception"):
        choose(phone.page, name)
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert phone.page.locator("#picture svg").bounding_box()["width"] > 150
    ink, paper = phone.page.evaluate(
        """() => [getComputedStyle(document.body)].flatMap(one => [one.color, one.backgroundColor])
            .map(colour => Number(colour.match(/\\d+/)[0]))"""
    )
    assert (ink > paper) == (scheme == "dark")
    phone.close()


def png(width: int, height: int, rows: bytes | None = None) -> bytes:
    """Return a grey PNG file; without rows, one that only says its size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows or b""))
        + chunk(b"IEND", b"")
    )


def test_an_image_becomes_numbers_and_a_large_one_is_refused(explorer: Any) -> None:
    picture = png(5, 5, b"".join(b"\0" + bytes([0, 64, 128, 192, 255]) for _ in range(5)))
    file = explorer.locator("input[type=file]")
    file.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": picture})
    wait_for_text(explorer, "#picture [data-cell='input/0/0,1']", "2")
    assert cells(explorer, "input")[:5] == ["0", "2", "5", "7", "9"]
    for name, content, words in (
        ("large.png", png(100_000, 100_000), "too large"),
        ("not.png", b"hello, this is no image at all", "not an image"),
        ("broken.png", png(4, 4), "could not be decoded"),
    ):
        file.set_input_files({"name": name, "mimeType": "image/png", "buffer": content})
        wait_for_text(explorer, ".notice", words)


def test_the_code_is_copied(explorer: Any) -> None:
    explorer.context.grant_permissions(["clipboard-read", "clipboard-write"])
    explorer.get_by_role("button", name="juanji").click()
    explorer.get_by_role("button", name="Copy", exact=True).click()
    wait_for_text(explorer, ".notice", "Copied")
    copied = explorer.evaluate("navigator.clipboard.readText()")
    assert copied == explorer.locator(".code").text_content()
    assert "y = F.conv(x, w)" in copied
