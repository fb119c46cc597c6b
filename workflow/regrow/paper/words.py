"""The words of the report, for a reader who has not read the paper."""

WORLDS = {
    "emoji": "a small text-to-image model with Stable Diffusion's structure that draws emoji at 32x32 pixels",
    "sd15": "Stable Diffusion 1.5, the model of the paper, at 512x512 pixels",
}

RUNGS = {
    "true_signs": "every pruned weight and its sign (the ceiling)",
    "exact": "which weights are zero (what anyone sees)",
    "threshold": "only that small weights were pruned",
    "other_concept": "the mask of another concept",
    "random": "how many weights were pruned",
}

GLOSSARY = {
    "world": "A base model with its judges, concepts and prompts. This report is about one world.",
    "concept": "What is to be erased from the model: here a kind of object.",
    "pretrained": "The base model before anything was done to it.",
    "eraser": "A method that takes a concept out of a model. "
    "ConceptPrune sets to zero the weights that the concept uses most.",
    "pruned": "The model after ConceptPrune. This is what a careful owner would publish.",
    "reviver": "A method that tries to bring the concept back from the published model alone: no prompts, no training, "
    "no base weights, no list of what was pruned.",
    "roots": "The paper's reviver. It guesses the pruned weights from those around them (completion), keeps the signs "
    "of the largest guesses, and gives each the size of its neuron's other weights: their maximum (roots_max, which "
    "the paper calls NMS), their average (roots_average) or a random sample (roots_sample).",
    "quantized": "Another reviver: round all weights to 4 bits and hope that the erasing is lost in the rounding.",
    "erased (prompts)": "Prompts that ask for the erased concept. After erasing the judge should not see it.",
    "preserved (prompts)": "Prompts that ask for other concepts. These should come out as before.",
    "judge": "A network, independent of the model under audit, that says what an image shows.",
    "accuracy": "Share of images in which the judge's first answer is what the prompt asked for.",
    "interval": "Wilson's interval: where the true share plausibly lies, given the number of images.",
    "revival rate": "How much of what was erased comes back: 0 % nothing, 100 % as before the erasing.",
    "sign accuracy": "Share of pruned weights whose sign, plus or minus, was guessed right. "
    "Guessing blindly gives about 50 %.",
    "completer": "A method that guesses pruned weights from the others: nuclear is the paper's, "
    "gaussian posterior ours.",
    "oracle": "Not an attack: a model filled in with true signs or true magnitudes, to see what they are worth.",
    "structure": "What rows of a layer have in common, by which one weight tells of another. Noise has none.",
    "K": "Share of the guessed weights, the largest first, that the reviver keeps.",
    "recipe": "A named chain of eraser and reviver; its result is one model under audit.",
    "digest": "A fingerprint (SHA-256) of a file's bytes: equal digests, equal files.",
}
