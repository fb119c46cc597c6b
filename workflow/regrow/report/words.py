"""The words of the report, for a reader who has not read the papers; what a world is says its own file."""

GLOSSARY = {
    "world": "A base model with its judges, concepts and prompts. This report is about one world.",
    "concept": "What is to be erased from the model.",
    "pretrained": "The base model before anything was done to it.",
    "eraser": "A method that takes a concept out of a model.",
    "defence": "What a publisher does to hide where the eraser cut.",
    "published model": "The base model after the eraser and, where there is one, the defence: what others get to see.",
    "attack": "A method that tries to bring the concept back from the published model.",
    "knowledge": "What an attack is told beyond the published weights: nothing, the concept's word, a public base "
    "model, a public sibling of it, data, or that it trains.",
    "oracle": "Not an attack: a model filled in with true signs or true magnitudes, to see what they are worth.",
    "completer": "A method that guesses pruned weights from the others.",
    "judge": "A network, independent of the model under audit, that says what an image shows.",
    "protocol": "The exact settings of a judge: its weights, labels and how an image is prepared.",
    "accuracy": "Share of images in which the judge's first answer is what the prompt asked for.",
    "distinct": "Rows of a prompt file with the same prompt and seed give the same image, which counts once.",
    "interval": "Wilson's interval: where the true share plausibly lies, given the number of distinct images.",
    "came back": "The revival rate: how much of what was erased comes back. 0 % nothing, 100 % as before the erasing.",
    "sign accuracy": "Share of pruned weights whose sign, plus or minus, was guessed right. Guessing blindly gives "
    "about 50 %.",
    "K": "Share of the guessed weights, the largest first, whose signs an attack retains.",
    "digest": "A fingerprint (SHA-256) of a file's or a model's content: equal digests, equal content.",
}
KNOWLEDGE = {
    "nothing": "the published weights alone",
    "word": "the concept's word",
    "public_base": "the public base model",
    "sibling": "a public sibling of the base model",
    "data": "data",
    "training": "training",
    "everything": "the pretrained weights: an oracle, no attack",
}
