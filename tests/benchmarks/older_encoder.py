"""sentence-transformers with OpenVINO, in a process of its own: `older_encoder.py MODEL TEXTS.json OUT.npy`.

For each line that it reads it encodes all texts, and writes the seconds that this took; the embeddings of the last time are in OUT.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer


def main(folder, texts, out):
    model, texts = SentenceTransformer(folder, backend="openvino", device="cpu"), json.loads(Path(texts).read_text())
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        found = model.encode(texts)
        seconds = time.perf_counter() - start
        np.save(out, found)
        print(seconds, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
