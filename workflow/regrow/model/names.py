"""Names of weights: ``{component}.{parameter}``, e.g. ``unet.mid_block.attentions.0...ff.net.2.weight``."""

FFN2 = ".ff.net.2.weight"
COMPONENTS = ("text_encoder", "unet", "vae")  # what holds weights in a pipeline, in the order of digests


def is_ffn2(name: str) -> bool:
    """Return whether a weight is an FFN2, the second linear layer of a feed-forward, (d, 4d) (methods.md 1.1)."""
    return name.endswith(FFN2)


def split(name: str) -> tuple[str, str]:
    """Return component and parameter of a weight's name."""
    component, _, parameter = name.partition(".")
    return component, parameter
