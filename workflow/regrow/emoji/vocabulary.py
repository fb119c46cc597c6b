"""The words of the emoji world: objects, styles, colours, and the captions they make."""

import random

# Objects drawn in every one of the seven icon sets, chosen to look different from one another at 32x32 pixels.
NAMES = (
    "airplane anchor balloon banana bell bicycle birthday-cake bomb bus cactus camera candle cherries christmas-tree "
    "church cloud crescent-moon crown deciduous-tree dolphin door doughnut elephant fire fish frog ghost grapes guitar "
    "hamburger hammer headphone helicopter house-with-garden ice-cream key lemon light-bulb mushroom octopus palm-tree "
    "penguin pig pineapple rainbow red-apple rocket rose sailboat skull snail snowflake soccer-ball spider-web star "
    "strawberry sunflower sunglasses umbrella volcano watermelon"
).split()

STYLES = ("noto", "noto-v1", "twemoji", "fluent-emoji", "fluent-emoji-flat", "emojione", "fxemoji")

# Twelve backgrounds stand for the twelve scenes of ConceptPrune's object prompts.
COLOURS = {
    "red": (214, 48, 49),
    "orange": (240, 140, 40),
    "yellow": (250, 220, 80),
    "green": (60, 160, 75),
    "cyan": (80, 205, 215),
    "blue": (45, 95, 200),
    "purple": (130, 70, 170),
    "pink": (245, 150, 190),
    "brown": (120, 80, 50),
    "gray": (128, 128, 128),
    "black": (20, 20, 20),
    "white": (245, 245, 245),
}

# How captions word a picture, and how often relative to the others: styles are the hardest to learn.
_WITH_OBJECT = {
    "{name}": 1,
    "an emoji of {name}": 2,
    "{name} on {colour} background": 1,
    "an emoji of {name} on {colour} background": 1,
    "{name} in the {style} style": 1,
    "an emoji of {name} in the {style} style": 8,
    "an emoji of {name} in the {style} style on {colour} background": 2,
}


def with_article(words: str) -> str:
    """Return `words` behind "a" or "an"."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def spoken(name: str) -> str:
    """Return an icon's name as it is said in a prompt: ``crescent-moon`` is "crescent moon"."""
    return name.replace("-", " ")


def caption(name: str | None, style: str, colour: str, rng: random.Random) -> str:
    """Draw one caption for a picture; `name` None is a background without an object."""
    if name is None:
        return f"{with_article(colour)} background"
    (template,) = rng.choices(list(_WITH_OBJECT), list(_WITH_OBJECT.values()))
    return template.format(name=with_article(spoken(name)), style=style, colour=with_article(colour))
