"""Take a picture of the page that a run ends with: python docs/pictures/show_report.py results/index.html [OUT]

OUT is report.png, that of README, of the default run, if it is left out. tutorial.png is of the tutorial on images.

Needs the browser Chromium. The picture is the page's part on its first target.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops, ImageOps

OUT = Path(__file__).with_name("report.png")
WIDTH, HEIGHT, SCALE, MARGIN = 860, 1900, 1.3, 24  # higher than the part: what is empty below is cut off
FIRST = re.compile(r"(<section.*?)<h3>What is doubtful.*(?=</body>)", re.DOTALL)


def show(page, out=OUT):
    """Write the picture of a page (path of an HTML file) to `out`."""
    html, cuts = FIRST.subn(r"\1</section>", Path(page).read_text(encoding="utf-8"), count=1)
    if not cuts:
        raise SystemExit(f"{page} has no part on a target: is it the page of a run?")
    with tempfile.TemporaryDirectory() as folder:
        copy, shot = Path(folder, "index.html"), Path(folder, "shot.png")
        copy.write_text(html, encoding="utf-8")
        command = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder}/browser"]
        command += [f"--window-size={WIDTH},{HEIGHT}", f"--force-device-scale-factor={SCALE}", f"--screenshot={shot}"]
        subprocess.run([*command, copy.as_uri()], check=True, capture_output=True)
        whole = Image.open(shot).convert("RGB")
        *_, bottom = ImageChops.difference(whole, Image.new("RGB", whole.size, whole.getpixel((0, 0)))).getbbox()
        picture = ImageOps.expand(whole.crop((0, 0, whole.width, bottom + MARGIN)), border=2, fill="#94a3b8")
        picture.quantize(24, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(out, optimize=True)


if __name__ == "__main__":
    show(*sys.argv[1:])
