"""Models of no use but to be loaded: random weights, a vocabulary of letters, made in a moment."""

import json
from pathlib import Path

import numpy as np
from bench.models.bert import BertConfig, Weights, build
from bench.models.minilm import write_model
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
LETTERS = "abcdefghijklmnopqrstuvwxyzäöüß0123456789.,?!"
CONFIG = BertConfig(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    vocab_size=len(SPECIAL) + 2 * len(LETTERS),
)


def write_tiny(folder: Path, *, classifier: bool = False, model_max_length: int = 512) -> Path:
    """A BERT of two layers and 32 dimensions in *folder*, in a hub's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    write_model(folder, build(_weights(), CONFIG, classifier=classifier))
    (folder / "config.json").write_text(
        json.dumps({name: getattr(CONFIG, name) for name in CONFIG.__dataclass_fields__})
    )
    _tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"model_max_length": model_max_length, "pad_token": "[PAD]"})
    )
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    return folder


def _tokenizer() -> Tokenizer:
    pieces = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def _weights() -> Weights:
    random = np.random.default_rng(7)
    width, inner = CONFIG.hidden_size, CONFIG.intermediate_size
    shapes = {
        "embeddings.word_embeddings.weight": (CONFIG.vocab_size, width),
        "embeddings.position_embeddings.weight": (CONFIG.max_position_embeddings, width),
        "embeddings.token_type_embeddings.weight": (CONFIG.type_vocab_size, width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
        "pooler.dense.weight": (width, width),
        "pooler.dense.bias": (width,),
        "classifier.weight": (1, width),
        "classifier.bias": (1,),
    }
    for number in range(CONFIG.num_hidden_layers):
        layer = f"encoder.layer.{number}"
        for name, (rows, columns) in {
            "attention.self.query": (width, width),
            "attention.self.key": (width, width),
            "attention.self.value": (width, width),
            "attention.output.dense": (width, width),
            "intermediate.dense": (inner, width),
            "output.dense": (width, inner),
        }.items():
            shapes[f"{layer}.{name}.weight"] = (rows, columns)
            shapes[f"{layer}.{name}.bias"] = (rows,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{layer}.{name}.{part}": (width,) for part in ("weight", "bias")}
    return {name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
