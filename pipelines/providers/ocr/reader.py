"""The program that reads text in pictures; run as a sandboxed child by its path: it imports nothing of the project.

    reader.py THREADS PICTURE…    prints one line of JSON per picture: {"picture": name, "lines": [[text, score], …]}

A picture that cannot be read has "lines" null. rapidocr's wheel brings its models (PP-OCRv6, Apache-2.0).
"""

import json
import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Read every picture."""
    threads, *names = arguments
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = threads  # before native code is loaded
    import cv2
    from rapidocr import RapidOCR

    cv2.setNumThreads(int(threads))
    settings = {
        "Global.log_level": "critical",
        "Global.use_cls": False,  # text on screens stands upright
        "EngineConfig.onnxruntime.intra_op_num_threads": int(threads),
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    engine = RapidOCR(params=settings)
    for name in names:
        picture = cv2.imread(name)
        lines = None if picture is None else _read(engine(picture))
        sys.stdout.write(json.dumps({"picture": Path(name).name, "lines": lines}) + "\n")
        sys.stdout.flush()
    return 0


def _read(found: object) -> list[tuple[str, float]]:
    texts, scores = getattr(found, "txts", None) or (), getattr(found, "scores", None) or ()
    return [(str(text), round(float(score), 3)) for text, score in zip(texts, scores, strict=True)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
