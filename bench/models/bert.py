"""A BERT encoder as an ONNX graph, built from its weights without the framework it was trained in.

Weights have the names that Hugging Face's `BertModel` gives them. Inputs and outputs are named as
its exports name them: `input_ids`, `attention_mask`, `token_type_ids`; `last_hidden_state`, or with
a classifier `logits`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 20  # the first with Gelu as one operator
IR_VERSION = 10
_LOWEST = -10_000.0  # added to the score of a position that is padding

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class BertConfig:
    """The sizes of a model, as its `config.json` has them."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12


def build(weights: Weights, config: BertConfig, *, classifier: bool = False) -> onnx.ModelProto:
    """The graph; with *classifier*, one that ends in the pooler and a score for each text."""
    graph = _Graph(weights, config)
    state = _embeddings(graph)
    mask = _mask(graph)
    for number in range(config.num_hidden_layers):
        state = _layer(graph, f"encoder.layer.{number}", state, mask)
    name, shape = "last_hidden_state", ["batch", "tokens", config.hidden_size]
    if classifier:
        name, shape = "logits", ["batch", 1]
        first = graph.add("Gather", [state, graph.constant(np.int64(0))], axis=1)
        pooled = graph.add("Tanh", [_linear(graph, "pooler.dense", first)])
        state = _linear(graph, "classifier", pooled)
    graph.nodes.append(helper.make_node("Identity", [state], [name]))
    ids = [
        helper.make_tensor_value_info(each, TensorProto.INT64, ["batch", "tokens"])
        for each in ("input_ids", "attention_mask", "token_type_ids")
    ]
    output = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    model = helper.make_model(
        helper.make_graph(graph.nodes, "bert", ids, [output], graph.initializers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    return model


class _Graph:
    """Nodes and constants while a graph is being made."""

    def __init__(self, weights: Weights, config: BertConfig) -> None:
        self.weights = weights
        self.config = config
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], **attributes: object) -> str:
        """A node; the name of its output."""
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, value: object) -> str:
        name = f"constant_{len(self.initializers)}"
        array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name


def _embeddings(graph: _Graph) -> str:
    words, places, kinds = (
        graph.constant(graph.weights[f"embeddings.{name}_embeddings.weight"])
        for name in ("word", "position", "token_type")
    )
    shape = graph.add("Shape", ["input_ids"])
    length = graph.add("Gather", [shape, graph.constant(np.int64(1))], axis=0)
    positions = graph.add(
        "Range", [graph.constant(np.int64(0)), length, graph.constant(np.int64(1))]
    )
    state = graph.add("Gather", [words, "input_ids"], axis=0)
    state = graph.add("Add", [state, graph.add("Gather", [kinds, "token_type_ids"], axis=0)])
    state = graph.add("Add", [state, graph.add("Gather", [places, positions], axis=0)])
    return _norm(graph, "embeddings.LayerNorm", state)


def _mask(graph: _Graph) -> str:
    """What is added to attention scores: 0 for a token, much less than 0 for padding."""
    mask = graph.add("Cast", ["attention_mask"], to=TensorProto.FLOAT)
    mask = graph.add("Sub", [graph.constant(np.float32(1)), mask])
    mask = graph.add("Mul", [mask, graph.constant(np.float32(_LOWEST))])
    return graph.add("Unsqueeze", [mask, graph.constant(np.array([1, 2]))])


def _layer(graph: _Graph, name: str, state: str, mask: str) -> str:
    attended = _attention(graph, f"{name}.attention.self", state, mask)
    attended = _linear(graph, f"{name}.attention.output.dense", attended)
    state = graph.add("Add", [attended, state])
    state = _norm(graph, f"{name}.attention.output.LayerNorm", state)
    inner = graph.add("Gelu", [_linear(graph, f"{name}.intermediate.dense", state)])
    inner = _linear(graph, f"{name}.output.dense", inner)
    return _norm(graph, f"{name}.output.LayerNorm", graph.add("Add", [inner, state]))


def _attention(graph: _Graph, name: str, state: str, mask: str) -> str:
    weights, width, heads = (
        graph.weights,
        graph.config.hidden_size,
        graph.config.num_attention_heads,
    )
    size = width // heads
    # Query, key and value at once: one large product is faster than three.
    kernel = np.concatenate([weights[f"{name}.{part}.weight"].T for part in _PARTS], axis=1)
    bias = np.concatenate([weights[f"{name}.{part}.bias"] for part in _PARTS])
    kernel[:, :width] /= np.sqrt(size)
    bias[:width] /= np.sqrt(size)
    joined = _affine(graph, state, kernel, bias)
    joined = graph.add("Reshape", [joined, graph.constant(np.array([0, 0, 3, heads, size]))])
    joined = graph.add("Transpose", [joined], perm=[2, 0, 3, 1, 4])
    query, key, value = (
        graph.add("Gather", [joined, graph.constant(np.int64(each))], axis=0) for each in range(3)
    )
    scores = graph.add("MatMul", [query, graph.add("Transpose", [key], perm=[0, 1, 3, 2])])
    shares = graph.add("Softmax", [graph.add("Add", [scores, mask])], axis=-1)
    found = graph.add("MatMul", [shares, value])
    found = graph.add("Transpose", [found], perm=[0, 2, 1, 3])
    return graph.add("Reshape", [found, graph.constant(np.array([0, 0, width]))])


_PARTS = ("query", "key", "value")


def _linear(graph: _Graph, name: str, state: str) -> str:
    kernel, bias = graph.weights[f"{name}.weight"].T, graph.weights[f"{name}.bias"]
    return _affine(graph, state, kernel, bias)


def _affine(
    graph: _Graph, state: str, kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> str:
    product = graph.add("MatMul", [state, graph.constant(kernel)])
    return graph.add("Add", [product, graph.constant(bias)])


def _norm(graph: _Graph, name: str, state: str) -> str:
    scale, bias = (graph.constant(graph.weights[f"{name}.{part}"]) for part in ("weight", "bias"))
    return graph.add(
        "LayerNormalization", [state, scale, bias], axis=-1, epsilon=graph.config.layer_norm_eps
    )
