"""Take docs/pictures/report.png from the page that a run ends with: python docs/pictures/show_report.py results/index.html

Needs the browser Chromium. The picture has the page's first parts and its first table; a line of dots is where it leaves
something out.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

OUT = Path(__file__).with_name("report.png")
WIDTH, HEIGHT, SCALE = 900, 916, 2
LEFT_OUT = re.compile(r"<h2>What next</h2>.*?(?=<h3>)", re.DOTALL)


def show(page):
    """Write the picture of a page (path of an HTML file)."""
    html, cuts = LEFT_OUT.subn('<p class="soft">. . .</p>', Path(page).read_text(encoding="utf-8"), count=1)
    if not cuts:
        raise SystemExit(f"{page} has no part 'What next' with a table below it: is it the page of a run?")
    with tempfile.TemporaryDirectory() as folder:
        copy, shot = Path(folder, "index.html"), Path(folder, "shot.png")
        copy.write_text(html, encoding="utf-8")
        command = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder}/browser"]
        command += [f"--window-size={WIDTH},{HEIGHT}", f"--force-device-scale-factor={SCALE}", f"--screenshot={shot}"]
        subprocess.run([*command, copy.as_uri()], check=True, capture_output=True)
        picture = ImageOps.expand(Image.open(shot).convert("RGB"), border=SCALE, fill="#94a3b8")
        picture.quantize(10, dither=Image.Dither.NONE).save(OUT, optimize=True)


if __name__ == "__main__":
    show(*sys.argv[1:])
