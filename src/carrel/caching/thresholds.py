"""From which cosine on two questions may ask the same, by the embedder's model.

A threshold belongs to a model, wherever it runs. It is chosen on the tuning half of the pairs by
`python -m bench.caching`: as high as can be without losing more than a twentieth of what the guards
let through. For a model that was never measured there is none.
"""

# By the model, as its name begins.
_MEASURED = {
    "wordllama-l2-supercat": 0.76,
    "all-minilm-l6-v2": 0.86,
}


def threshold_for(identity: str) -> float | None:
    """The threshold of the embedder named *identity*; None: it was not measured."""
    model = identity.split(":")[1].rpartition("/")[2].casefold() if ":" in identity else ""
    return next((least for name, least in _MEASURED.items() if model.startswith(name)), None)
