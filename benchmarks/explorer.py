"""How fast the explorer's page is: its size, its first picture, its steps a second.

    python -m benchmarks.explorer

needs chromium and the Python package playwright. Frames are counted while the page plays at its
highest speed, 60 steps a second; a step that comes late is one less.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from juanji import explore

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
STATES = ("op=conv&input=12x12&padding=same", "op=octave&input=8x8", "op=conv&input=5x5x5")
SECONDS = 2

FIRST_PICTURE = """() => performance.getEntriesByName("first-contentful-paint")[0].startTime"""
PLAY = """([state, seconds]) => new Promise(resolve => {
    juanji.open(state);
    const { player } = juanji.transport;
    player.speed = 60;
    let steps = 0;
    const shown = player.changed;
    player.changed = at => { shown(at); steps += 1; };
    player.toggle();
    const start = performance.now();
    let frames = 0;
    const frame = () => {
        frames += 1;
        if (!player.playing) player.toggle();
        if (performance.now() - start < seconds * 1000) return requestAnimationFrame(frame);
        player.changed = shown;
        player.toggle();
        const passed = (performance.now() - start) / 1000;
        resolve([steps / passed, frames / passed]);
    };
    requestAnimationFrame(frame);
})"""
WORK = """state => {
    juanji.open(state);
    const { count } = juanji.transport.player;
    const start = performance.now();
    for (let at = 0; at < count; at += 1) juanji.sides[0].stage.show(at, true);
    return (performance.now() - start) / count;
}"""


def main() -> None:
    """Print the figures."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        sys.exit("needs chromium")
    text = explore.page()
    print(f"size: {len(text.encode()) / 1000:.0f} kB")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        path = Path(folder) / "explore.html"
        path.write_text(text, encoding="utf-8")
        browser: Any = driver.chromium.launch(executable_path=found, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(path.as_uri())
        page.wait_for_timeout(500)
        print(f"first picture: {page.evaluate(FIRST_PICTURE):.0f} ms after the start")
        for state in STATES:
            steps, frames = page.evaluate(PLAY, [state, SECONDS])
            work = page.evaluate(WORK, state)
            print(f"{state}: {steps:.0f} steps, {frames:.0f} frames a second; {work:.2f} ms a step")
        browser.close()


if __name__ == "__main__":
    main()
